// Package growth finds how costs grow along one axis of what was measured.
package growth

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/bench/stats"
)

// axis is a size that may differ between the points of a fit, while all that its
// group tells is equal.
type axis struct {
	name  string
	of    func(*record.Result) float64
	group func(*record.Result) string
	fits  func(*record.Result) bool
}

// numaNodes is the axis along which hints are made for every set of nodes.
const numaNodes = "numaNodes"

func axes() []axis {
	anyway := func(*record.Result) bool { return true }
	return []axis{
		{
			"cpus", func(r *record.Result) float64 { return float64(r.Machine.CPUs) },
			func(r *record.Result) string {
				return fmt.Sprintf("numaNodes=%d/pods=%d/%s", r.Machine.NUMANodes, r.Machine.Pods, kind(r.Config, r.Config.Fill))
			}, anyway,
		},
		{
			numaNodes, func(r *record.Result) float64 { return float64(r.Machine.NUMANodes) },
			func(r *record.Result) string {
				return fmt.Sprintf("cpus=%d/pods=%d/%s", r.Machine.CPUs, r.Machine.Pods, kind(r.Config, r.Config.Fill))
			}, anyway,
		},
		{
			"pods", func(r *record.Result) float64 { return float64(r.Machine.Pods) },
			func(r *record.Result) string { return "profile=" + r.Config.Profile + "/" + kind(r.Config, "any") },
			// Fragments are another arrangement, not just more pods; and a power
			// law says nothing of zero.
			func(r *record.Result) bool { return r.Config.Fill != "fragmented" && r.Machine.Pods > 0 },
		},
	}
}

// kind is a configuration's name without its machine.
func kind(c record.Config, fill string) string {
	c.Profile, c.Fill = "", fill
	return strings.TrimPrefix(c.Name(), "profile=/")
}

// Of fits the growth of every operation along every axis that has points enough.
func Of(results []record.Result) []record.Growth {
	var out []record.Growth
	for _, a := range axes() {
		groups := map[string][]*record.Result{}
		var names []string
		for i := range results {
			r := &results[i]
			if r.Status != record.Done || r.Rejected != "" || !a.fits(r) {
				continue
			}
			g := a.group(r)
			if groups[g] == nil {
				names = append(names, g)
			}
			groups[g] = append(groups[g], r)
		}
		for _, g := range names {
			for _, op := range record.Operations() {
				if fit, ok := along(a, g, groups[g], op); ok {
					out = append(out, fit)
				}
			}
		}
	}
	return out
}

// along fits one operation; false when there are too few points, or times too
// short to have been measured.
func along(a axis, group string, results []*record.Result, op record.Operation) (record.Growth, bool) {
	g := record.Growth{Operation: op, Along: a.name, Of: group}
	for _, r := range results {
		for _, s := range r.Series {
			if s.Operation == op && len(s.All()) > 0 {
				g.Points = append(g.Points, record.Point{X: a.of(r), NS: stats.Median(s.All()), Config: r.Config.Name()})
			}
		}
	}
	slices.SortStableFunc(g.Points, func(p, q record.Point) int { return cmp.Compare(p.X, q.X) })
	var x, y []float64
	for _, p := range g.Points {
		x, y = append(x, p.X), append(y, p.NS)
	}
	fit, err := stats.FitPower(x, y)
	if err != nil {
		return record.Growth{}, false
	}
	g.Exponent, g.StdErr, g.CI95, g.R2, g.Constant = fit.Exponent, fit.StdErr, fit.CI95, fit.R2, fit.Constant
	if exp, err := stats.FitExponential(x, y); a.name == numaNodes && err == nil && exp.R2 > fit.R2 && exp.Factor > 1 {
		g.Exponential = &record.Exponential{Factor: exp.Factor, R2: exp.R2}
	}
	return g, true
}

// Sizes are the points' sizes as text: 16, 96, 256.
func Sizes(g record.Growth) string {
	var list []string
	for _, p := range g.Points {
		list = append(list, strconv.FormatFloat(p.X, 'f', -1, 64))
	}
	return strings.Join(slices.Compact(list), ", ")
}
