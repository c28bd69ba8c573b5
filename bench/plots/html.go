package plots

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/pinlab/pinlab/bench/growth"
	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/bench/report"
)

//go:embed report.html
var page string

// section is one operation on the page.
type section struct {
	Name, About string
	Rows        []row
	Figures     []template.HTML
}

type row struct {
	Label, N, Mean, P50, P90, P99, Max, Note string
}

type diskRow struct {
	Label string
	Cells []string
}

// growthRow is a record.Growth with its words.
type growthRow struct {
	record.Growth
	Axis, Sizes, With, Rather string
}

// HTML writes a page that holds everything: it loads nothing from anywhere.
func HTML(w io.Writer, r *record.Report, figures []Figure) error {
	t, err := template.New("report").Parse(page)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	byName := map[string]template.HTML{}
	var curves []template.HTML
	for _, f := range figures {
		svg := inline(f.SVG)
		byName[f.Name] = svg
		if len(f.Name) > 7 && f.Name[:7] == "growth-" {
			curves = append(curves, svg)
		}
	}
	data := struct {
		Mark        template.HTML
		Environment record.Environment
		Warnings    []record.Warning
		Sections    []section
		Shares      []row
		Disk        []diskRow
		Growth      []growthRow
		Machine     string
		Same        string
		Subtracted  string
		NoGrowth    string
		Curves      []template.HTML
		Unfinished  []row
	}{Mark: template.HTML(mark), Environment: r.Environment, Warnings: r.Warnings, Curves: curves} // #nosec: a constant
	data.Machine, data.Same, data.Subtracted = report.Machine(r.Results), report.Same(r.Results), report.Subtracted(r.Results)
	data.NoGrowth = report.NoGrowth(r)
	for _, g := range r.Growth {
		data.Growth = append(data.Growth, growthRow{g, report.Axis(g.Along), growth.Sizes(g), strings.ReplaceAll(g.Of, "/", ", "), report.Rather(g)})
	}
	for _, op := range record.Operations() {
		s := section{Name: string(op), About: report.About(op)}
		for i := range r.Results {
			series := r.Results[i].Of(op)
			if series == nil || series.Summary == nil {
				continue
			}
			c := report.SummaryCells(series.Summary)
			s.Rows = append(s.Rows, row{report.Label(r.Results, i), c[0], c[1], c[2], c[3], c[4], c[5], report.Mark(&r.Results[i])})
		}
		if len(s.Rows) == 0 {
			continue
		}
		for _, kind := range []string{"box-", "ecdf-"} {
			if svg, ok := byName[kind+string(op)]; ok {
				s.Figures = append(s.Figures, svg)
			}
		}
		data.Sections = append(data.Sections, s)
	}
	for i := range r.Results {
		if r.Results[i].Status != record.Done {
			data.Unfinished = append(data.Unfinished, row{Label: report.Label(r.Results, i), Note: r.Results[i].Reason})
		} else if r.Results[i].Rejected != "" {
			data.Unfinished = append(data.Unfinished, row{Label: report.Label(r.Results, i), Note: "the kubelet rejects the pod: " + r.Results[i].Rejected})
		}
	}
	for i := range r.Results {
		if text := report.CheckpointShare(&r.Results[i]); text != "" {
			data.Shares = append(data.Shares, row{Label: report.Label(r.Results, i), Note: text})
		}
	}
	for _, d := range report.DiskCosts(r.Results) {
		data.Disk = append(data.Disk, diskRow{report.Label(r.Results, d.Index), d.Cells()})
	}
	var buf bytes.Buffer
	if err := t.Execute(&buf, data); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	_, err = w.Write(buf.Bytes())
	return err
}

// inline is a drawing without what only a file of its own has. The drawings are
// this package's: texts in them were escaped when they were drawn.
func inline(svg []byte) template.HTML {
	if at := bytes.Index(svg, []byte("<svg")); at > 0 {
		svg = svg[at:]
	}
	return template.HTML(svg)
}
