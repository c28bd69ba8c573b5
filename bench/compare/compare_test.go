package compare

import (
	"math"
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/bench/record"
)

func defaults() Options { return Options{Threshold: 0.1, Alpha: 0.05} }

// TestPublishedMannWhitney uses Hollander and Wolfe, Nonparametric Statistical
// Methods, table 4.1 (permeability of chorioamnion tissue): one-sided p = 0.1272.
func TestPublishedMannWhitney(t *testing.T) {
	g := NewWithT(t)
	r := Row{}
	r.test([]float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}, []float64{1.15, 0.88, 0.90, 0.74, 1.21}, defaults())
	g.Expect(r.P).To(BeNumerically("~", 2*0.1272, 1e-4))
	// By hand: two fours wholly apart, 2 of 70 ways.
	r = Row{}
	r.test([]float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, defaults())
	g.Expect(r.P).To(BeNumerically("~", 2.0/70, 1e-9))
	g.Expect(r.Delta).To(BeNumerically("~", 6.5/2.5-1, 1e-9))
}

// TestPublishedAdjustment uses the example of Benjamini and Hochberg (1995),
// section 4: of 15 p-values, four are significant at 0.05.
func TestPublishedAdjustment(t *testing.T) {
	g := NewWithT(t)
	ps := []float64{0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1}
	rows := make([]Row, len(ps))
	var open []int
	for i, p := range ps {
		rows[i].P = p
		open = append(open, i)
	}
	rand.New(rand.NewPCG(3, 0)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	adjust(rows, open)
	significant := 0
	for _, r := range rows {
		g.Expect(r.Adjusted).To(And(BeNumerically(">=", r.P), BeNumerically("<=", 1)))
		if r.Adjusted <= 0.05 {
			significant++
		}
	}
	g.Expect(significant).To(Equal(4))
}

// synthetic are repetitions as they come from real machines: processes differ by
// some percent, samples of one process by more, and some are far off.
func synthetic(random *rand.Rand, repetitions int, factor float64) [][]float64 {
	const median, processes, samples, perProcess = 500e3, 0.02, 0.10, 30
	out := make([][]float64, repetitions)
	for i := range out {
		process := math.Exp(processes * random.NormFloat64())
		for range perProcess {
			v := median * factor * process * math.Exp(samples*random.NormFloat64())
			if random.IntN(50) == 0 {
				v *= 5
			}
			out[i] = append(out[i], v)
		}
	}
	return out
}

// syntheticReport has n configurations of one operation.
func syntheticReport(random *rand.Rand, n, repetitions int, factor func(i int) float64) *record.Report {
	r := &record.Report{APIVersion: record.APIVersion, Kind: record.Kind}
	for i := range n {
		r.Results = append(r.Results, record.Result{
			Config: record.Config{Profile: "synthetic", Policy: "static", TopologyPolicy: "none", TopologyScope: "container", Fill: "empty", Request: i + 1, Storage: record.Memory},
			Status: record.Done,
			Series: []record.Series{{Operation: record.Admit, Repetitions: synthetic(random, repetitions, factor(i))}},
		})
	}
	return r
}

func same(int) float64 { return 1 }

// TestInjectedSlowdowns puts a slowdown into one of ten configurations, and
// counts how often exactly that is found.
func TestInjectedSlowdowns(t *testing.T) {
	const runs, configs = 200, 10
	for _, c := range []struct {
		slowdown, threshold float64
		repetitions         int
		least, most         float64 // share of runs in which it is found
	}{
		{0.05, 0.02, 8, 0.30, 1}, // eight repetitions are few for so little
		{0.05, 0.02, 20, 0.95, 1},
		{0.10, 0.05, 8, 0.95, 1},
		{0.20, 0.10, 8, 0.99, 1},
		{0.05, 0.10, 8, 0, 0.02}, // within the threshold: no regression
	} {
		g := NewWithT(t)
		random := rand.New(rand.NewPCG(7, uint64(1000*c.slowdown)))
		found, wrong := 0, 0
		for range runs {
			before := syntheticReport(random, configs, c.repetitions, same)
			after := syntheticReport(random, configs, c.repetitions, func(i int) float64 {
				if i == 3 {
					return 1 + c.slowdown
				}
				return 1
			})
			got, err := Reports(before, after, Options{Threshold: c.threshold, Alpha: 0.05})
			g.Expect(err).NotTo(HaveOccurred())
			for i, r := range got.Rows {
				switch {
				case r.Verdict == Slower && i == 3:
					found++
				case r.Verdict == Slower || r.Verdict == Faster:
					wrong++
				}
			}
		}
		share := float64(found) / runs
		t.Logf("slowdown %.0f %%, threshold %.0f %%, %d repetitions: found in %.1f %% of runs; %d false alarms in %d comparisons", 100*c.slowdown, 100*c.threshold, c.repetitions, 100*share, wrong, runs*(configs-1))
		g.Expect(share).To(And(BeNumerically(">=", c.least), BeNumerically("<=", c.most)), "slowdown %v", c.slowdown)
		g.Expect(float64(wrong) / (runs * (configs - 1))).To(BeNumerically("<", 0.02))
	}
}

// TestFalseAlarms compares runs in which nothing changed. Without a threshold it
// is the test alone that holds the alarms down: in at most 5 % of the runs there
// may be any (here: 6.5 %, for 400 runs leave some room to chance).
func TestFalseAlarms(t *testing.T) {
	g := NewWithT(t)
	random := rand.New(rand.NewPCG(11, 0))
	const runs = 400
	for _, threshold := range []float64{0, 0.05} {
		alarmed := 0
		for range runs {
			c, err := Reports(syntheticReport(random, 20, 8, same), syntheticReport(random, 20, 8, same), Options{Threshold: threshold, Alpha: 0.05})
			g.Expect(err).NotTo(HaveOccurred())
			if c.Regressions() > 0 {
				alarmed++
			}
		}
		t.Logf("A/A, threshold %.0f %%: a false alarm in %.2f %% of %d runs of 20 comparisons", 100*threshold, 100*float64(alarmed)/runs, runs)
		limit := 0.065
		if threshold > 0 {
			limit = 0.01
		}
		g.Expect(float64(alarmed) / runs).To(BeNumerically("<", limit))
	}
}

func one(repetitions [][]float64) *record.Report {
	r := syntheticReport(rand.New(rand.NewPCG(1, 1)), 1, 1, same)
	r.Results[0].Series[0].Repetitions = repetitions
	return r
}

func constant(n int, v float64) [][]float64 {
	var out [][]float64
	for i := range n {
		out = append(out, []float64{v + float64(i)})
	}
	return out
}

func TestTooFewRepetitions(t *testing.T) {
	g := NewWithT(t)
	c, err := Reports(one(constant(3, 100)), one(constant(3, 200)), defaults())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Rows).To(HaveLen(1))
	g.Expect(c.Rows[0].Verdict).To(Equal(NeedMore))
	g.Expect(c.Rows[0].Need).To(Equal(4))
	g.Expect(c.Regressions()).To(Equal(0))

	// Enough for one comparison, but not for a hundred.
	random := rand.New(rand.NewPCG(5, 0))
	before := syntheticReport(random, 100, 5, same)
	after := syntheticReport(random, 100, 5, func(i int) float64 {
		if i == 0 {
			return 1.5
		}
		return 1
	})
	c, err = Reports(before, after, defaults())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Rows[0].Verdict).To(Equal(NeedMore))
	g.Expect(c.Rows[0].Need).To(Equal(8))
	g.Expect(c.Rows[0].Note).To(Equal("could be chance among 100 comparisons; need 8 repetitions in each run"))
}

func TestOutcomes(t *testing.T) {
	g := NewWithT(t)
	finished := one(constant(8, 100))
	late := one(nil)
	late.Results[0].Status, late.Results[0].Reason, late.Results[0].Series = record.DidNotFinish, "did not finish in 5s", nil
	rejected := one(constant(8, 100))
	rejected.Results[0].Rejected = "SMTAlignmentError"
	cut := one(constant(5, 130)) // interrupted after five of eight repetitions
	cut.Interrupted, cut.Results[0].Status = true, record.Interrupted
	failed, refused := one(nil), one(nil)
	failed.Results[0].Status, failed.Results[0].Reason, failed.Results[0].Series = record.Failed, "the process crashed", nil
	refused.Results[0].Status, refused.Results[0].Reason, refused.Results[0].Series = record.Refused, "the kubelet does not start: so", nil
	nothing := one(nil)
	nothing.Interrupted, nothing.Results[0].Status, nothing.Results[0].Series = true, record.Interrupted, nil
	for _, c := range []struct {
		before, after *record.Report
		want          Verdict
		note          string
	}{
		{finished, cut, Slower, ""},
		{finished, nothing, Incomparable, "done in OLD, interrupted in NEW"},
		{finished, late, Slower, "OLD finished, NEW did not finish in 5s"},
		{late, finished, Faster, "NEW finished, OLD did not finish in 5s"},
		{late, late, Incomparable, "neither run finished it: did not finish in 5s"},
		{finished, rejected, Broken, "admitted in OLD, rejected in NEW: SMTAlignmentError"},
		{rejected, finished, Incomparable, "the kubelet's answer changed: rejected in OLD, admitted in NEW"},
		{finished, failed, Broken, "measured in OLD, failed in NEW: the process crashed"},
		{failed, finished, Incomparable, "failed in OLD, done in NEW"},
		{failed, failed, Incomparable, "neither run finished it: the process crashed"},
		{finished, refused, Broken, "measured in OLD, refused in NEW: the kubelet does not start: so"},
		{finished, finished, Same, ""},
		{one(constant(8, 100)), one(constant(8, 130)), Slower, ""},
		{one(constant(8, 130)), one(constant(8, 100)), Faster, ""},
		{one(constant(8, 100)), one(constant(8, 108)), Small, ""},
		{one(constant(8, 0)), one(nil), Incomparable, "no samples"},
	} {
		got, err := Reports(c.before, c.after, defaults())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Rows[0].Verdict).To(Equal(c.want), "%+v", got.Rows[0])
		g.Expect(got.Rows[0].Note).To(Equal(c.note))
		lost := c.want == Slower || c.want == Broken
		g.Expect(got.Regressions() > 0).To(Equal(lost), "%+v", got.Rows[0])
	}
}

// TestNotTheSame compares runs that have a configuration's name in common, and
// not what it stands for: no time of one says anything about the other.
func TestNotTheSame(t *testing.T) {
	on := func(m record.Machine, disk string) *record.Report {
		r := one(constant(8, 100*float64(max(m.CPUs, 1))))
		r.Results[0].Machine = m
		if disk != "" {
			r.Results[0].Config.Storage, r.Environment.DiskSystem = record.Disk, disk
		}
		return r
	}
	small := record.Machine{CPUs: 16, Cores: 8, NUMANodes: 2, Topology: "aa"}
	large := record.Machine{CPUs: 256, Cores: 128, NUMANodes: 2, Topology: "bb"}
	edited, fuller, old := small, small, small
	edited.Topology, fuller.Pods, old.Topology = "cc", 3, ""
	for _, c := range []struct {
		before, after *record.Report
		want          Verdict
		note          string
	}{
		{on(small, ""), on(large, ""), Incomparable, "not the same machine: 16 CPUs, 8 cores, 2 NUMA nodes in OLD, 256 CPUs, 128 cores, 2 NUMA nodes in NEW"},
		{on(small, ""), on(edited, ""), Incomparable, "not the same machine: topology aa in OLD, topology cc, both of 16 CPUs, 8 cores, 2 NUMA nodes in NEW"},
		{on(small, ""), on(fuller, ""), Incomparable, "not the same number of resident pods: 0 in OLD, 3 in NEW"},
		{on(small, "ext4 on /dev/vda1"), on(small, "xfs on /dev/vdb"), Incomparable, "not the same file system: ext4 on /dev/vda1 in OLD, xfs on /dev/vdb in NEW"},
		{on(small, "ext4 on /dev/vda1"), on(small, "ext4 on /dev/vda1"), Same, ""},
		{on(small, ""), on(old, ""), Same, ""},
		{on(small, ""), on(record.Machine{}, ""), Faster, ""}, // what the file does not tell
	} {
		g := NewWithT(t)
		got, err := Reports(c.before, c.after, defaults())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Rows).To(HaveLen(1))
		g.Expect(got.Rows[0].Verdict).To(Equal(c.want), "%+v", got.Rows[0])
		g.Expect(got.Rows[0].Note).To(Equal(c.note))
		g.Expect(got.Regressions()).To(Equal(0))
	}
}

// TestMissingOperations lists what only one of the runs has.
func TestMissingOperations(t *testing.T) {
	g := NewWithT(t)
	before, after := one(constant(8, 100)), one(constant(8, 100))
	before.Results[0].Add(record.Remove, 0, []float64{5})
	after.Results[0].Add(record.Restart, 0, []float64{5})
	c, err := Reports(before, after, defaults())
	g.Expect(err).NotTo(HaveOccurred())
	var got []string
	for _, r := range c.Rows {
		got = append(got, string(r.Operation)+" "+string(r.Verdict)+" "+r.Note)
	}
	g.Expect(got).To(Equal([]string{
		"admit ~ ", "remove incomparable measured in OLD, not in NEW", "restart incomparable measured in NEW, not in OLD",
	}))
}

// TestStoredWarnings hands on what the runs said of themselves.
func TestStoredWarnings(t *testing.T) {
	g := NewWithT(t)
	before, after := one(constant(8, 100)), one(constant(8, 100))
	before.Environment.CPUs, after.Environment.CPUs = 2, 4
	before.Warnings = []record.Warning{{Text: "both"}, {Text: "busy"}, {About: "one of them", Text: "busy"}}
	after.Warnings = []record.Warning{{Text: "throttled"}, {Text: "both"}}
	c, err := Reports(before, after, defaults())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Warnings).To(Equal([]string{
		"CPUs of the machine that measured: 2 in OLD, 4 in NEW", "OLD and NEW: both", "OLD: busy", "NEW: throttled",
	}))
}

func TestDifferentConfigurations(t *testing.T) {
	g := NewWithT(t)
	random := rand.New(rand.NewPCG(1, 1))
	before, after := syntheticReport(random, 3, 8, same), syntheticReport(random, 3, 8, same)
	after.Results = after.Results[1:]
	after.Results[1].Config.Fill = "half"
	after.Environment.CPUModel, before.Environment.CPUModel = "A", "B"
	c, err := Reports(before, after, defaults())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Rows).To(HaveLen(1))
	g.Expect(c.OnlyOld).To(HaveLen(2))
	g.Expect(c.OnlyNew).To(ConsistOf(ContainSubstring("fill=half/request=3")))
	g.Expect(c.Warnings).To(ConsistOf("processor: B in OLD, A in NEW: the times say nothing about the code"))
	after.Results = after.Results[1:]
	_, err = Reports(before, after, defaults())
	g.Expect(err).To(MatchError(ErrNothingCommon))
}
