package plots

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// legend names the lines of a plot below it, in columns: within the plot it would
// lie on the data of one run or another.
type legend []entry

type entry struct {
	name   string
	thumbs []plot.Thumbnailer
}

const (
	legendLine  = 13 * vg.Length(1)
	legendThumb = 34 * vg.Length(1) // as long as the longest pattern of dashes
	legendGap   = 6 * vg.Length(1)
)

func (l *legend) add(name string, thumbs ...plot.Thumbnailer) {
	*l = append(*l, entry{name, thumbs})
}

func legendStyle() text.Style {
	style := plot.NewLegend().TextStyle
	style.Font.Size, style.YAlign = vg.Points(9), draw.YCenter
	return style
}

// columns is how many names stand side by side.
func (l legend) columns() int {
	widest, style := vg.Length(0), legendStyle()
	for _, e := range l {
		widest = max(widest, style.Rectangle(e.name).Max.X)
	}
	return max(min(int((width-3*margin)/(widest+legendThumb+3*legendGap)), 3), 1)
}

func (l legend) lines() int { return (len(l) + l.columns() - 1) / l.columns() }

// height is the room that it takes.
func (l legend) height() vg.Length {
	if len(l) == 0 {
		return 0
	}
	return legendLine*vg.Length(l.lines()) + margin
}

// draw fills the columns from the bottom of an area up, the first name at the top
// left.
func (l legend) draw(c draw.Canvas) {
	style, lines := legendStyle(), max(l.lines(), 1)
	step := (c.Max.X - c.Min.X) / vg.Length(l.columns())
	for i, e := range l {
		x := c.Min.X + step*vg.Length(i/lines)
		y := c.Min.Y + legendLine*(vg.Length(lines-1-i%lines)+0.5)
		icon := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: x, Y: y - legendLine/2}, Max: vg.Point{X: x + legendThumb, Y: y + legendLine/2},
		}}
		for _, t := range e.thumbs {
			t.Thumbnail(&icon)
		}
		c.FillText(style, vg.Point{X: x + legendThumb + legendGap, Y: y}, e.name)
	}
}
