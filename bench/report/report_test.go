package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/perf/benchfmt"
	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/bench/compare"
	"github.com/pinlab/pinlab/bench/growth"
	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/bench/report"
	"github.com/pinlab/pinlab/bench/stats"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	g := NewWithT(t)
	file := filepath.Join("testdata", name)
	if *update {
		g.Expect(os.WriteFile(file, got, 0o644)).To(Succeed())
		return
	}
	want, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(Equal(string(want)), "run with -update and read the diff")
}

// example is a report with one of everything; factor stretches its times.
func example(t *testing.T, factor float64) *record.Report {
	t.Helper()
	r := &record.Report{
		APIVersion: record.APIVersion, Kind: record.Kind,
		Environment: record.Environment{
			Kubelet: "v1.37.2", Go: "go1.26.8", OS: "linux", Arch: "amd64", CPUModel: "Example CPU", CPUs: 2,
			Started: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), Seconds: 12.3,
		},
		Warnings: []record.Warning{{Text: "the machine was busy before the run: load average 2.00 on 2 CPUs"}},
	}
	machines := []record.Machine{{CPUs: 16, Cores: 8, NUMANodes: 2}, {CPUs: 96, Cores: 48, NUMANodes: 2}, {CPUs: 256, Cores: 128, NUMANodes: 2}}
	for i, profile := range []string{"generic-2s4c-smt2", "xeon-2s24c-smt2", "epyc-7742-2s-nps1"} {
		result := record.Result{
			Config: record.Config{
				Profile: profile, Policy: "static", TopologyPolicy: "best-effort", TopologyScope: "container",
				Fill: "empty", Request: 4, Storage: record.Memory,
			},
			Machine: machines[i], Status: record.Done, Overhead: record.Overhead{Timer: 30, Loop: 400},
		}
		cpus := float64(machines[i].CPUs)
		for op, ns := range map[record.Operation]float64{
			record.Hints: 1e3 * cpus, record.Merge: 8e3, record.Allocate: 4e3 * cpus, record.Checkpoint: 1e5,
			record.Admit: 108e3 + 5e3*cpus, record.Remove: 150e3 + cpus*cpus, record.Restart: 400e3,
		} {
			for rep := range 5 {
				var samples []float64
				for k := range 24 {
					samples = append(samples, float64(int64(ns*factor*(1+0.01*float64(rep)+0.002*float64(k*k)))))
				}
				result.Add(op, rep, samples)
			}
		}
		for k := range result.Series {
			s, err := stats.Summarize(result.Series[k].Repetitions)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			result.Series[k].Summary = &s
		}
		r.Results = append(r.Results, result)
	}
	late := r.Results[0]
	late.Config.Profile, late.Machine = "sockets=2 nodes=16 cores=128", record.Machine{CPUs: 256, Cores: 256, NUMANodes: 16}
	late.Status, late.Reason, late.Series = record.DidNotFinish, "did not finish in 30s (repetition 1 of 5)", []record.Series{}
	r.Results = append(r.Results, late)
	rejected := r.Results[0].Clone()
	rejected.Config.Request, rejected.Series = 3, rejected.Series[:1]
	rejected.Rejected = "SMTAlignmentError: not allocated"
	r.Results = append(r.Results, rejected)
	r.Growth = growth.Of(r.Results)
	return r
}

func TestTable(t *testing.T) {
	var buf bytes.Buffer
	NewWithT(t).Expect(report.Table(&buf, example(t, 1))).To(Succeed())
	golden(t, "table.txt", buf.Bytes())
}

// TestDiskCosts takes the time in memory from that on disk, for configurations that
// differ in nothing else.
func TestDiskCosts(t *testing.T) {
	g := NewWithT(t)
	at := func(s record.Storage, request int, p50 map[record.Operation]float64) record.Result {
		r := record.Result{Config: record.Config{Profile: "x", Policy: "static", Fill: "empty", Request: request, Storage: s}, Status: record.Done}
		for op, v := range p50 {
			r.Add(op, 0, []float64{v})
			r.Of(op).Summary = &record.Summary{P50: v}
		}
		return r
	}
	results := []record.Result{
		at(record.Disk, 1, map[record.Operation]float64{record.Admit: 5e6, record.Checkpoint: 4e6, record.Hints: 1e5, record.Restart: 1e6}),
		at(record.Memory, 1, map[record.Operation]float64{record.Admit: 1e6, record.Checkpoint: 2e5, record.Hints: 1e5, record.Remove: 3e5, record.Restart: 1.1e6}),
		at(record.Disk, 2, map[record.Operation]float64{record.Admit: 5e6}),
	}
	var got [][]string
	for _, d := range report.DiskCosts(results) {
		g.Expect(d.Index).To(Equal(0))
		got = append(got, d.Cells())
	}
	g.Expect(got).To(Equal([][]string{
		{"admit", "1.00ms", "5.00ms", "4.00ms", "80%"},
		{"checkpoint", "200µs", "4.00ms", "3.80ms", "95%"},
		{"restart", "1.10ms", "1.00ms", "-100µs", "-10%"},
	}))
	g.Expect(report.CheckpointShare(&results[0])).To(Equal("80%"))
	g.Expect(report.CheckpointShare(&results[2])).To(BeEmpty())
	var buf bytes.Buffer
	g.Expect(report.Table(&buf, &record.Report{Results: results})).To(Succeed())
	g.Expect(buf.String()).To(MatchRegexp(`x +0 +0 +1 +admit +1.00ms +5.00ms +4.00ms +80%|x +1 +admit +1.00ms +5.00ms +4.00ms +80%`))
}

func TestTableOfNothing(t *testing.T) {
	g := NewWithT(t)
	var buf bytes.Buffer
	g.Expect(report.Table(&buf, &record.Report{})).To(Succeed())
	g.Expect(buf.String()).To(Equal("Nothing was measured.\n"))
}

func TestJSONAndYAML(t *testing.T) {
	g := NewWithT(t)
	r := example(t, 1)
	r.Results = r.Results[3:] // with the samples of the others it would not be a golden to read
	data, err := record.Marshal(r)
	g.Expect(err).NotTo(HaveOccurred())
	golden(t, "report.json", data)
	text, err := yaml.Marshal(r)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).To(HavePrefix("apiVersion: pinlab/v1alpha1\n"))
}

// TestGoBench reads back what benchstat would read.
func TestGoBench(t *testing.T) {
	g := NewWithT(t)
	var buf bytes.Buffer
	g.Expect(report.GoBench(&buf, example(t, 1))).To(Succeed())
	golden(t, "gobench.txt", buf.Bytes())
	lines := 0
	for r := benchfmt.NewReader(&buf, "bench"); r.Scan(); {
		line, ok := r.Result().(*benchfmt.Result)
		g.Expect(ok).To(BeTrue(), "%v", r.Result())
		_, known := line.Value("sec/op")
		g.Expect(known).To(BeTrue())
		g.Expect(string(line.Name)).NotTo(ContainSubstring(" "))
		lines++
	}
	g.Expect(lines).To(Equal(5 * (3*7 + 1)))
}

func TestComparison(t *testing.T) {
	g := NewWithT(t)
	before, after := example(t, 1), example(t, 1.2)
	after.Results[1], before.Results[1] = before.Results[1], after.Results[1] // one got faster
	after.Environment.Kubelet = "v1.38.0"
	after.Results[2].Series = after.Results[2].Series[:2]
	after.Results[2].Series[1].Repetitions = after.Results[2].Series[1].Repetitions[:2]
	c, err := compare.Reports(before, after, compare.Options{Threshold: 0.1, Alpha: 0.05})
	g.Expect(err).NotTo(HaveOccurred())
	var buf bytes.Buffer
	g.Expect(report.Comparison(&buf, c)).To(Succeed())
	golden(t, "compare.txt", buf.Bytes())
	buf.Reset()
	g.Expect(report.Annotations(&buf, c)).To(Succeed())
	golden(t, "annotations.txt", buf.Bytes())
	for line := range strings.Lines(buf.String()) {
		g.Expect(line).To(MatchRegexp(`^::(error|warning) title=[^:]*::`))
	}
}

func TestTime(t *testing.T) {
	g := NewWithT(t)
	for ns, want := range map[float64]string{
		0: "0", 3: "3.00ns", 45.678: "45.7ns", 999.4: "999ns", 999.7: "1.00µs", 1234: "1.23µs", 412e3: "412µs",
		1.5e6: "1.50ms", 35.26e6: "35.3ms", 2e9: "2.00s", 600e9: "600s", 9.996e6: "10.0ms", 99.97e3: "100µs",
	} {
		g.Expect(report.Time(ns)).To(Equal(want), "%v", ns)
	}
}

// TestNoGrowth is said of three machines or more that no law can be fitted to.
func TestNoGrowth(t *testing.T) {
	g := NewWithT(t)
	r := &record.Report{}
	for i, profile := range []string{"a", "b", "c"} {
		g.Expect(report.NoGrowth(r)).To(BeEmpty(), "%d machines", i)
		r.Results = append(r.Results, record.Result{Config: record.Config{Profile: profile}, Status: record.Done})
	}
	g.Expect(report.NoGrowth(r)).To(ContainSubstring("three machines or more"))
	r.Growth = []record.Growth{{Along: "cpus"}}
	g.Expect(report.NoGrowth(r)).To(BeEmpty())
}

// TestLabels name what differs: the machine only where there are several.
func TestLabels(t *testing.T) {
	g := NewWithT(t)
	results := []record.Result{{Config: record.Config{Profile: "a", Fill: "empty"}}, {Config: record.Config{Profile: "a", Fill: "half"}}}
	g.Expect(report.Machine(results)).To(Equal("a"))
	g.Expect(report.Label(results, 1)).To(Equal("half"))
	results[0].Config.Profile = "b"
	g.Expect(report.Machine(results)).To(BeEmpty())
	g.Expect(report.Label(results, 1)).To(Equal("a, half"))
	g.Expect(report.Label(results[1:], 0)).To(Equal("a"), "there is nothing else")
}
