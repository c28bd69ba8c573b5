package view

import (
	"fmt"
	"math"
	"strconv"

	"github.com/pinlab/pinlab/tui/paint"
)

// Histogram draws counts as columns of blocks over the whole area; more buckets
// than columns share one.
func Histogram(a paint.Area, counts []int, role paint.Role) {
	columns := make([]int, a.W)
	for x := range columns {
		// The buckets that lie in this column; in a wide area, the one it lies in.
		first := x * len(counts) / a.W
		for i := first; i < max((x+1)*len(counts)/a.W, first+1) && i < len(counts); i++ {
			columns[x] += counts[i]
		}
	}
	most := 0
	for _, n := range columns {
		most = max(most, n)
	}
	if most == 0 {
		return
	}
	blocks := []rune(" ▁▂▃▄▅▆▇█")
	for x, n := range columns {
		eighths := n * a.H * 8 / most
		if n > 0 {
			eighths = max(eighths, 1) // one slow sample must be seen
		}
		for y := a.H - 1; y >= 0 && eighths > 0; y-- {
			a.Set(x, y, blocks[min(eighths, 8)], role, 0)
			eighths -= 8
		}
	}
}

// Curve is one line of an ECDF.
type Curve struct {
	Letter rune
	Role   paint.Role
	Counts []int
}

// ECDF draws for each curve which part of its samples lies at or below each
// bucket. Where curves meet, the first is seen.
func ECDF(a paint.Area, curves []Curve) {
	const margin = 5
	for y := range a.H {
		label := ""
		switch y {
		case 0:
			label = "100%"
		case (a.H - 1) / 2:
			label = " 50%"
		case a.H - 1:
			label = "  0%"
		}
		a.Print(0, y, label, paint.Dim, 0)
		a.Set(margin-1, y, '│', paint.Border, 0)
	}
	plot := a.Sub(margin, 0, a.W-margin, a.H)
	for i := len(curves) - 1; i >= 0; i-- {
		c := curves[i]
		total := 0
		for _, n := range c.Counts {
			total += n
		}
		if total == 0 {
			continue
		}
		sum, next := 0, 0
		last := plot.H - 1
		for x := range plot.W {
			for ; next < (x+1)*len(c.Counts)/plot.W; next++ {
				sum += c.Counts[next]
			}
			y := plot.H - 1 - sum*(plot.H-1)/total
			for j := min(y, last); j <= max(y, last); j++ {
				plot.Set(x, j, c.Letter, c.Role, 0)
			}
			last = y
		}
	}
}

// Axis writes the times below a chart: the first, the last, and one between
// where there is room. Buckets are of equal ratio.
func Axis(a paint.Area, low, high float64) {
	a.Print(0, 0, Duration(low), paint.Dim, 0)
	a.Right(0, Duration(high), paint.Dim, 0)
	if a.W >= 36 && low > 0 {
		middle := Duration(math.Sqrt(low * high))
		a.Print(a.W/2-len([]rune(middle))/2, 0, middle, paint.Dim, 0)
	}
}

// Duration writes nanoseconds with three digits: 412 µs, 1.23 ms.
func Duration(ns float64) string {
	unit, name := 1.0, "ns"
	for _, u := range []struct {
		ns   float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
		if ns >= u.ns*0.9995 {
			unit, name = u.ns, u.name
			break
		}
	}
	v := ns / unit
	digits := 2
	switch {
	case unit == 1 || v >= 99.95:
		digits = 0
	case v >= 9.995:
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + name
}

// Progress draws how far something is.
func Progress(a paint.Area, part float64, text string) {
	room := max(min(a.W-len([]rune(text))-7, 40), 4)
	filled := int(math.Round(part * float64(room)))
	for x := range room {
		if x < filled {
			a.Set(x, 0, '█', paint.Bar, 0)
		} else {
			a.Set(x, 0, '░', paint.Border, 0)
		}
	}
	a.Print(room+1, 0, fmt.Sprintf("%3.0f%%  %s", 100*part, text), paint.Text, 0)
}
