package view

import "github.com/pinlab/pinlab/tui/paint"

// Cell is one field of a row.
type Cell struct {
	Text string
	Role paint.Role
}

// Row is a line of a table.
type Row []Cell

// Table is rows under a header; columns are as wide as their widest field.
type Table struct {
	Head []string
	Rows []Row
	// Selected is a row, -1 for none.
	Selected int
	// From is the first row shown.
	From int
}

// Draw draws the table. The header stays where it is.
func (t Table) Draw(a paint.Area) {
	widths := t.widths(a.W)
	x := 0
	for i, name := range t.Head {
		a.Sub(x, 0, widths[i], 1).Print(0, 0, name, paint.Dim, 0)
		x += widths[i] + 2
	}
	body := a.Sub(0, 1, a.W, a.H-1)
	for y := range body.H {
		i := t.From + y
		if i >= len(t.Rows) {
			break
		}
		x := 0
		for j, c := range t.Rows[i] {
			if j < len(widths) {
				body.Sub(x, y, widths[j], 1).Print(0, 0, c.Text, c.Role, 0)
				x += widths[j] + 2
			}
		}
		if i == t.Selected {
			body.Invert(y)
		}
	}
	if t.From+body.H < len(t.Rows) && body.H > 0 {
		a.Set(a.W-1, a.H-1, '▼', paint.Dim, 0)
	}
	if t.From > 0 {
		a.Set(a.W-1, 0, '▲', paint.Dim, 0)
	}
}

// widths shares out the room: when there is too little, the widest column
// gives way first.
func (t Table) widths(room int) []int {
	widths := make([]int, len(t.Head))
	for i, name := range t.Head {
		widths[i] = len([]rune(name))
	}
	for _, row := range t.Rows {
		for i, c := range row {
			if i < len(widths) {
				widths[i] = max(widths[i], len([]rune(c.Text)))
			}
		}
	}
	room -= 2 * (len(widths) - 1)
	for {
		sum, widest := 0, 0
		for i, w := range widths {
			sum += w
			if w > widths[widest] {
				widest = i
			}
		}
		if len(widths) == 0 || sum <= room || widths[widest] <= 4 {
			return widths
		}
		widths[widest] -= min(sum-room, widths[widest]-4, max(1, widths[widest]-second(widths, widest)))
	}
}

// second is the width of the widest other column.
func second(widths []int, widest int) int {
	w := 0
	for i := range widths {
		if i != widest {
			w = max(w, widths[i])
		}
	}
	return w
}
