// Package report shows what was measured: as tables for people, and as Go
// benchmark lines for benchstat.
package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/pinlab/pinlab/bench/record"
)

// Time writes nanoseconds with three digits: 412µs, 1.23ms.
func Time(ns float64) string {
	switch {
	case math.IsNaN(ns):
		return "-"
	case ns == 0:
		return "0"
	}
	units := []struct {
		ns   float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}}
	for _, u := range units {
		// What rounds up to 1000 of the smaller unit is one of this.
		if math.Abs(ns) >= u.ns*0.9995 || u.ns == 1 {
			return digits(ns/u.ns) + u.name
		}
	}
	return ""
}

// digits writes a number with three significant digits, and all of those before
// the point.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

func timeOr(ns *float64) string {
	if ns == nil {
		return "-"
	}
	return Time(*ns)
}

// meanText is the mean with half of its confidence interval in percent.
func meanText(s *record.Summary) string {
	if s.MeanCI95 == nil || s.Mean == 0 {
		return Time(s.Mean)
	}
	return fmt.Sprintf("%s ± %.0f%%", Time(s.Mean), 100*(s.MeanCI95.High-s.MeanCI95.Low)/2/s.Mean)
}

// column is a part of configurations that a table shows where it differs.
type column struct {
	title string
	of    func(*record.Result) string
}

func configColumns() []column {
	return []column{
		{"PROFILE", func(r *record.Result) string { return r.Config.Profile }},
		{"CPUS", func(r *record.Result) string { return strconv.Itoa(r.Machine.CPUs) }},
		{"NUMA", func(r *record.Result) string { return strconv.Itoa(r.Machine.NUMANodes) }},
		{"POLICY", func(r *record.Result) string { return r.Config.Policy }},
		{"OPTIONS", func(r *record.Result) string { return OptionsText(r.Config) }},
		{"TOPOLOGY", func(r *record.Result) string { return r.Config.TopologyPolicy }},
		{"SCOPE", func(r *record.Result) string { return r.Config.TopologyScope }},
		{"FILL", func(r *record.Result) string { return r.Config.Fill }},
		{"PODS", func(r *record.Result) string { return strconv.Itoa(r.Machine.Pods) }},
		{"REQUEST", func(r *record.Result) string { return strconv.Itoa(r.Config.Request) }},
		{"CONTAINERS", func(r *record.Result) string { return strconv.Itoa(max(r.Config.Containers, 1)) }},
		{"STORAGE", func(r *record.Result) string { return string(r.Config.Storage) }},
	}
}

// OptionsText are the policy options as NAME=VALUE, none without any.
func OptionsText(c record.Config) string {
	_, rest, _ := strings.Cut(c.Name(), "/options=")
	text, _, _ := strings.Cut(rest, "/topology=")
	return strings.ReplaceAll(text, ":", "=")
}

// parted splits the columns into those in which results differ and those that are
// the same in all; a single result's profile counts as differing.
func parted(results []record.Result) (differ, same []column) {
	for _, c := range configColumns() {
		varies := false
		for i := range results {
			varies = varies || c.of(&results[i]) != c.of(&results[0])
		}
		if varies || c.title == "PROFILE" {
			differ = append(differ, c)
		} else {
			same = append(same, c)
		}
	}
	return differ, same
}

// SummaryCells are the count, the mean with its interval, p50, p90, p99 and the
// maximum, as text.
func SummaryCells(s *record.Summary) []string {
	return []string{strconv.Itoa(s.N), meanText(s), Time(s.P50), timeOr(s.P90), timeOr(s.P99), Time(s.Max)}
}

// Same is what is the same in all results, in one line.
func Same(results []record.Result) string {
	if len(results) == 0 {
		return ""
	}
	_, same := parted(results)
	var list []string
	for _, c := range same {
		list = append(list, strings.ToLower(c.title)+" "+c.of(&results[0]))
	}
	return strings.Join(list, ", ")
}

// Axis is what people call an axis of growth.
func Axis(along string) string {
	switch along {
	case "cpus":
		return "CPUs"
	case "numaNodes":
		return "NUMA nodes"
	}
	return along
}

// Machine is the profile that all results have in common; empty when they differ.
func Machine(results []record.Result) string {
	for i := range results {
		if results[i].Config.Profile != results[0].Config.Profile {
			return ""
		}
	}
	if len(results) == 0 {
		return ""
	}
	return results[0].Config.Profile
}

// Label is what tells a result apart from the others, in few words.
func Label(results []record.Result, i int) string {
	differ, _ := parted(results)
	one := Machine(results)
	var list []string
	for _, c := range differ {
		switch c.title {
		case "CPUS", "NUMA", "PODS": // told by the profile and the fill
			continue
		case "PROFILE":
			if one != "" {
				continue
			}
		}
		list = append(list, c.of(&results[i]))
	}
	if len(list) == 0 {
		return results[i].Config.Profile
	}
	return strings.Join(list, ", ")
}
