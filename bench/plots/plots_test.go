package plots_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/bench/growth"
	"github.com/pinlab/pinlab/bench/plots"
	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/bench/stats"
)

func example(t *testing.T) *record.Report {
	t.Helper()
	r := &record.Report{Environment: record.Environment{Kubelet: "v1.37.2"}, Warnings: []record.Warning{{Text: "a <busy> machine"}}}
	for i, profile := range []string{"small", "middle", "<large> & co"} {
		result := record.Result{
			Config:  record.Config{Profile: profile, Policy: "static", TopologyPolicy: "none", TopologyScope: "container", Fill: "empty", Request: 4, Storage: record.Memory},
			Machine: record.Machine{CPUs: 16 << (2 * i), NUMANodes: 2}, Status: record.Done,
		}
		for _, op := range []record.Operation{record.Admit, record.Remove} {
			for rep := range 3 {
				result.Add(op, rep, []float64{float64(1000 * (i + 1)), float64(1500 * (i + 1)), float64(40000 * (i + 1)), 0})
			}
		}
		for k := range result.Series {
			s, err := stats.Summarize(result.Series[k].Repetitions)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			result.Series[k].Summary = &s
		}
		r.Results = append(r.Results, result)
	}
	r.Growth = growth.Of(r.Results)
	return r
}

func TestDraw(t *testing.T) {
	g := NewWithT(t)
	figures, err := plots.Draw(example(t))
	g.Expect(err).NotTo(HaveOccurred())
	var names []string
	for _, f := range figures {
		names = append(names, f.Name)
		g.Expect(plots.Mine(f.SVG)).To(BeTrue())
		g.Expect(string(f.SVG)).To(ContainSubstring("font-family:Liberation Serif,Tinos,Times New Roman,"))
		decoder := xml.NewDecoder(bytes.NewReader(f.SVG))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else {
				g.Expect(err).NotTo(HaveOccurred(), f.Name)
			}
		}
	}
	g.Expect(names).To(Equal([]string{"ecdf-admit", "box-admit", "ecdf-remove", "box-remove", "growth-cpus-1"}))
	again, err := plots.Draw(example(t))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(figures), "the same data, the same bytes")
}

// TestBoxesByPolicy draws configurations that the plan has in another order: those
// of one policy stand together, in the order in which the policies first come.
func TestBoxesByPolicy(t *testing.T) {
	g := NewWithT(t)
	r := example(t)
	more := example(t).Results
	for i := range more {
		more[i].Config.TopologyPolicy = "restricted"
	}
	r.Results = []record.Result{r.Results[0], more[0], r.Results[1], more[1]}
	figures, err := plots.Draw(r)
	g.Expect(err).NotTo(HaveOccurred())
	var labels []string
	for _, m := range regexp.MustCompile(`>((?:small|middle), [a-z]+)<`).FindAllSubmatch(figures[1].SVG, -1) {
		labels = append(labels, string(m[1]))
	}
	g.Expect(figures[1].Name).To(Equal("box-admit"))
	g.Expect(labels).To(Equal([]string{"middle, restricted", "small, restricted", "middle, none", "small, none"}), "from the bottom to the top")
	colours := map[string]bool{}
	for _, m := range regexp.MustCompile(`fill:#[0-9A-Fa-f]{6}`).FindAll(figures[1].SVG, -1) {
		colours[string(m)] = true
	}
	g.Expect(len(colours)).To(BeNumerically(">=", 2), "%v", colours)
}

// TestManyLines draws as many as there may be: each has a colour and dashes that no
// other has together, and its name stands below the axis, not on the data.
func TestManyLines(t *testing.T) {
	g := NewWithT(t)
	r := example(t)
	one := r.Results[0]
	r.Results = nil
	for i := range 12 {
		one.Config.Request = i + 1
		r.Results = append(r.Results, one)
	}
	figures, err := plots.Draw(r)
	g.Expect(err).NotTo(HaveOccurred())
	svg := string(figures[0].SVG)
	g.Expect(figures[0].Title).To(Equal("admit on small: share of samples that took no longer"))
	y := func(text string) float64 {
		m := regexp.MustCompile(`y="(-?[0-9.]+)"[^>]*>` + text + `<`).FindStringSubmatch(svg)
		g.Expect(m).NotTo(BeNil(), text)
		v, err := strconv.ParseFloat(m[1], 64)
		g.Expect(err).NotTo(HaveOccurred())
		return v
	}
	for i := range 12 {
		// Upwards is positive before the drawing is turned over.
		g.Expect(y(strconv.Itoa(i+1))).To(BeNumerically(">", y(`time \(logarithmic\)`)), "name %d", i+1)
	}
	styles := map[string]bool{}
	for _, m := range regexp.MustCompile(`style="fill:none;stroke:(#[0-9A-Fa-f]{6});[^"]*stroke-width:1\.2[^"]*"`).FindAllString(svg, -1) {
		styles[m] = true
	}
	g.Expect(styles).To(HaveLen(12))
}

// TestDrawExtremes draws what leaves a plot no room: one sample, all alike, zero.
func TestDrawExtremes(t *testing.T) {
	for _, samples := range [][]float64{{5}, {7, 7, 7}, {0}, {1, 1e12}} {
		r := example(t)
		r.Results, r.Growth = r.Results[:1], nil
		r.Results[0].Series = []record.Series{{Operation: record.Admit, Repetitions: [][]float64{samples}}}
		_, err := plots.Draw(r)
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), "%v", samples)
	}
	figures, err := plots.Draw(&record.Report{})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(figures).To(BeEmpty())
}

// TestHTML looks at the page's structure: its sections in order, all tags closed,
// texts escaped, and nothing that would be loaded from elsewhere.
func TestHTML(t *testing.T) {
	g := NewWithT(t)
	r := example(t)
	r.Results[2].Status, r.Results[2].Reason = record.DidNotFinish, "did not finish in 1s"
	figures, err := plots.Draw(r)
	g.Expect(err).NotTo(HaveOccurred())
	var buf bytes.Buffer
	g.Expect(plots.HTML(&buf, r, figures)).To(Succeed())
	page := buf.String()
	g.Expect(page).To(HavePrefix("<!DOCTYPE html>"))
	g.Expect(plots.Mine(buf.Bytes())).To(BeTrue())
	var ids []string
	for _, m := range regexp.MustCompile(`<section[^>]* id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		ids = append(ids, m[1])
	}
	g.Expect(ids).To(Equal([]string{"warnings", "unfinished", "admit", "remove", "growth"}), "no checkpoints, no disk")
	for _, tag := range []string{"section", "table", "svg", "ul", "body", "html"} {
		opened := len(regexp.MustCompile(`<`+tag+`[\s>]`).FindAllString(page, -1))
		g.Expect(strings.Count(page, "</"+tag+">")).To(Equal(opened), tag)
	}
	g.Expect(page).To(ContainSubstring("a &lt;busy&gt; machine"))
	g.Expect(page).To(ContainSubstring("&lt;large&gt; &amp; co"))
	g.Expect(page).NotTo(ContainSubstring("<large>"))
	g.Expect(page).NotTo(MatchRegexp(`(src|href)="?https?:`))
	g.Expect(page).NotTo(ContainSubstring("<script"))
	g.Expect(strings.Count(page, "<svg")).To(Equal(5))
}
