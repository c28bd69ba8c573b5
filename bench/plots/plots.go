// Package plots draws what was measured, and puts drawings and tables into one
// HTML file.
package plots

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/bench/report"
	"github.com/pinlab/pinlab/bench/stats"
)

// Figure is one drawing.
type Figure struct {
	// Name is a file name without its end, Title a line for people.
	Name, Title string
	SVG         []byte
}

const (
	width     = 9 * vg.Inch
	height    = 4.5 * vg.Inch
	margin    = 6 * vg.Length(1)
	rowHeight = 0.32 * vg.Inch
	// most is how many lines of a plot can be told apart.
	most = 12
)

// Draw draws everything there is to draw of a report, in a fixed order.
func Draw(r *record.Report) ([]Figure, error) {
	var out []Figure
	for _, op := range record.Operations() {
		for _, fn := range []func(*record.Report, record.Operation) (*Figure, error){ecdf, boxes} {
			f, err := fn(r, op)
			if err != nil {
				return nil, fmt.Errorf("plot of %s: %w", op, err)
			}
			if f != nil {
				out = append(out, *f)
			}
		}
	}
	curves, err := growthCurves(r)
	return append(out, curves...), err
}

// line is the samples of one configuration, sorted and positive.
type line struct {
	label  string
	policy string
	values plotter.Values
}

// policyOf is what a configuration's policies are, in the order in which people
// name them.
func policyOf(c record.Config) string {
	return strings.Join([]string{c.Policy, report.OptionsText(c), c.TopologyPolicy, c.TopologyScope}, ", ")
}

// lines are the samples of an operation. What was too short to be measured is
// drawn as a nanosecond: the axes are logarithmic.
func lines(r *record.Report, op record.Operation) []line {
	var out []line
	for i := range r.Results {
		s := r.Results[i].Of(op)
		if s == nil || len(s.All()) == 0 {
			continue
		}
		values := plotter.Values(s.All())
		for k := range values {
			values[k] = max(values[k], 1)
		}
		slices.Sort(values)
		out = append(out, line{report.Label(r.Results, i), policyOf(r.Results[i].Config), values})
	}
	return out
}

// titled is a title that names the machine, where the labels need not.
func titled(op record.Operation, r *record.Report, text string) string {
	if machine := report.Machine(r.Results); machine != "" && len(r.Results) > 1 {
		return fmt.Sprintf("%s on %s: %s", op, machine, text)
	}
	return fmt.Sprintf("%s: %s", op, text)
}

// ecdf draws, for each time, the share of samples that took no longer.
func ecdf(r *record.Report, op record.Operation) (*Figure, error) {
	list := lines(r, op)
	if len(list) == 0 {
		return nil, nil
	}
	p := newPlot(titled(op, r, "share of samples that took no longer"))
	p.X.Label.Text, p.Y.Label.Text = timeAxis, "share of samples"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, timeTicks{}
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, 1, shareTicks()
	var l legend
	for i, c := range list[:min(len(list), most)] {
		points := make(plotter.XYs, 0, 2*len(c.values))
		before := 0.0
		for k, v := range c.values {
			share := float64(k+1) / float64(len(c.values))
			points = append(points, plotter.XY{X: v, Y: before}, plotter.XY{X: v, Y: share})
			before = share
		}
		drawn, err := addLine(p, points, i)
		if err != nil {
			return nil, err
		}
		l.add(c.label, drawn)
	}
	if len(list) > most {
		p.Title.Text += fmt.Sprintf(" (the first %d of %d configurations)", most, len(list))
	}
	roomX(p)
	return render(p, "ecdf-"+string(op), height, l)
}

// boxes draws a box for each configuration: the quartiles, the median, whiskers to
// 1.5 times the box, and every sample beyond. Those of one policy (and its options,
// topology policy and scope) stand together and have a colour.
func boxes(r *record.Report, op record.Operation) (*Figure, error) {
	list := lines(r, op)
	if len(list) == 0 {
		return nil, nil
	}
	var policies []string
	for _, l := range list {
		if !slices.Contains(policies, l.policy) {
			policies = append(policies, l.policy)
		}
	}
	rank := func(l line) int { return slices.Index(policies, l.policy) }
	slices.SortStableFunc(list, func(a, b line) int { return rank(a) - rank(b) })
	p := newPlot(titled(op, r, "by policy and configuration"))
	if len(policies) == 1 {
		p.Title.Text = titled(op, r, fmt.Sprintf("by configuration (%s)", policies[0]))
	}
	p.X.Label.Text, p.X.Scale, p.X.Tick.Marker = timeAxis, plot.LogScale{}, timeTicks{}
	names := make([]string, len(list))
	for i, l := range list {
		at := len(list) - 1 - i // the first one on top
		b, err := plotter.NewBoxPlot(vg.Points(12), float64(at), l.values)
		if err != nil {
			return nil, err
		}
		b.Horizontal, b.FillColor = true, pale(rank(l))
		b.GlyphStyle.Radius = vg.Points(1)
		p.Add(b)
		names[at] = l.label
	}
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -0.5, float64(len(list))-0.5 // room for the outer boxes
	roomX(p)
	return render(p, "box-"+string(op), height/3+rowHeight*vg.Length(len(list)), nil)
}

// pale is a colour on which the median's line can be seen.
func pale(i int) color.Color {
	const towardsWhite = 3 // parts of four
	c, _ := color.RGBAModel.Convert(colour(i)).(color.RGBA)
	mix := func(v uint8) uint8 { return uint8((int(v) + towardsWhite*0xff) / (towardsWhite + 1)) }
	return color.RGBA{R: mix(c.R), G: mix(c.G), B: mix(c.B), A: 0xff}
}

// growthCurves draws the medians and the fitted laws, one figure for each group
// of configurations.
func growthCurves(r *record.Report) ([]Figure, error) {
	var out []Figure
	var groups []string
	byGroup := map[string][]record.Growth{}
	for _, g := range r.Growth {
		key := g.Along + " " + g.Of
		if byGroup[key] == nil {
			groups = append(groups, key)
		}
		byGroup[key] = append(byGroup[key], g)
	}
	for n, key := range groups {
		list := byGroup[key]
		along := report.Axis(list[0].Along)
		p := newPlot(fmt.Sprintf("growth with %s (%s)", along, strings.ReplaceAll(list[0].Of, "/", ", ")))
		p.Title.TextStyle.Font.Size = vg.Points(9)
		p.X.Label.Text, p.Y.Label.Text = along+" (logarithmic)", "median "+timeAxis
		p.X.Scale, p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogScale{}, timeTicks{}
		var sizes plot.ConstantTicks
		var names legend
		for i, g := range list {
			points := make(plotter.XYs, len(g.Points))
			fitted := make(plotter.XYs, len(g.Points))
			law := stats.Power{Exponent: g.Exponent, Constant: g.Constant}
			for k, pt := range g.Points {
				points[k], fitted[k] = plotter.XY{X: pt.X, Y: pt.NS}, plotter.XY{X: pt.X, Y: law.At(pt.X)}
				if i == 0 {
					sizes = append(sizes, plot.Tick{Value: pt.X, Label: fmt.Sprint(pt.X)})
				}
			}
			scatter, err := plotter.NewScatter(points)
			if err != nil {
				return nil, err
			}
			scatter.Color, scatter.Shape, scatter.Radius = colour(i), plotutil.Shape(i), vg.Points(3)
			p.Add(scatter)
			drawn, err := addLine(p, fitted, i)
			if err != nil {
				return nil, err
			}
			names.add(fmt.Sprintf("%s: exponent %.2f ± %.2f", g.Operation, g.Exponent, g.StdErr), drawn, scatter)
		}
		p.X.Tick.Marker = sizes
		roomX(p)
		p.Y.Min, p.Y.Max = p.Y.Min/room, p.Y.Max*room
		f, err := render(p, fmt.Sprintf("growth-%s-%d", strings.ToLower(list[0].Along), n+1), height, names)
		if err != nil {
			return nil, err
		}
		out = append(out, *f)
	}
	return out, nil
}

func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.BackgroundColor = title, color.White
	p.Y.Tick.Label.Font.Size = vg.Points(8)
	p.Add(plotter.NewGrid())
	return p
}

// timeAxis names an axis whose ticks have units.
const timeAxis = "time (logarithmic)"

// room is the factor by which a logarithmic axis is longer than what is drawn at
// its ends, so that nothing is cut there.
const room = 1.15

func roomX(p *plot.Plot) { p.X.Min, p.X.Max = p.X.Min/room, p.X.Max*room }

// shareTicks are those that people look for: the quartiles and p90.
func shareTicks() plot.ConstantTicks {
	var out plot.ConstantTicks
	for _, percent := range []int{0, 25, 50, 75, 90, 100} {
		out = append(out, plot.Tick{Value: float64(percent) / 100, Label: fmt.Sprintf("%d %%", percent)})
	}
	return out
}

// colour is one of those that Okabe and Ito chose to be told apart by everybody;
// their yellow, which is hard to see on white, is left out.
func colour(i int) color.Color {
	list := []color.RGBA{
		{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}, // blue
		{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff}, // vermilion
		{R: 0x00, G: 0x9e, B: 0x73, A: 0xff}, // bluish green
		{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff}, // reddish purple
		{R: 0x00, G: 0x00, B: 0x00, A: 0xff}, // black
		{R: 0x56, G: 0xb4, B: 0xe9, A: 0xff}, // sky blue
		{R: 0xe6, G: 0x9f, B: 0x00, A: 0xff}, // orange
	}
	return list[i%len(list)]
}

// dashing are the patterns of lines. There are not as many as colours: where a
// colour comes again, it has another pattern.
const dashing = 4

// addLine draws a line that differs from its neighbours by colour and by dashes.
func addLine(p *plot.Plot, points plotter.XYs, i int) (*plotter.Line, error) {
	l, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	l.Color, l.Dashes, l.Width = colour(i), plotutil.Dashes(i%dashing), vg.Points(1.2)
	p.Add(l)
	return l, nil
}

func render(p *plot.Plot, name string, h vg.Length, l legend) (*Figure, error) {
	if p.X.Max <= p.X.Min { // all samples alike
		p.X.Min, p.X.Max = p.X.Min/2, p.X.Max*2
	}
	if p.Y.Max <= p.Y.Min {
		p.Y.Min, p.Y.Max = p.Y.Min/2, p.Y.Max*2
	}
	below := l.height()
	canvas := vgsvg.New(width, h+below)
	all := draw.New(canvas)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	p.Draw(draw.Crop(all, margin, -2*margin, margin+below, -margin))
	l.draw(draw.Crop(all, 2*margin, -margin, margin, 0))
	var buf bytes.Buffer
	if _, err := canvas.WriteTo(&buf); err != nil {
		return nil, err
	}
	return &Figure{Name: name, Title: p.Title.Text, SVG: marked(fonts(buf.Bytes()))}, nil
}

// fonts names others of the same widths: texts are placed by those of Liberation
// Serif, and where a browser has to take a wider font they run into one another.
func fonts(svg []byte) []byte {
	return bytes.ReplaceAll(svg, []byte("font-family:Liberation Serif"), []byte("font-family:Liberation Serif,Tinos,Times New Roman,Nimbus Roman,Times,serif"))
}

// mark is how a later run knows that a file is its own.
const mark = "<!-- pinlab bench -->\n"

func marked(svg []byte) []byte {
	at := bytes.Index(svg, []byte("<svg"))
	return slices.Concat(svg[:max(at, 0)], []byte(mark), svg[max(at, 0):])
}

// Mine says whether a file's content was written by this package.
func Mine(content []byte) bool { return bytes.Contains(content, []byte(strings.TrimSpace(mark))) }

// timeTicks are powers of ten in readable units, with unlabelled ticks between.
type timeTicks struct{}

// Ticks implements plot.Ticker.
func (timeTicks) Ticks(low, high float64) []plot.Tick {
	var out []plot.Tick
	decades := math.Log10(high / low)
	whole := math.Floor(math.Log10(high)) - math.Ceil(math.Log10(low)) + 1
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for k := 1.0; k < 10; k++ {
			v := k * math.Pow(10, e)
			if v < low || v > high {
				continue
			}
			label := ""
			if k == 1 || (decades < 2 || whole < 3) && (k == 2 || k == 5) {
				label = report.Time(v)
			}
			out = append(out, plot.Tick{Value: v, Label: label})
		}
	}
	return out
}
