package scenarios

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

// long is a scenario with so many steps: pods come and go, eight at a time,
// and every tenth step looks at one.
func long(steps int) []byte {
	var b bytes.Buffer
	b.WriteString(withSteps("- startKubelet: {}\n"))
	for i := 1; i < steps; i++ {
		switch pod := i / 10 * 4; i % 10 {
		case 0:
			fmt.Fprintf(&b, "- expect: {kubelet: running, containers: {p%d/app: {exclusive: true}}, cel: count(sharedPool) > 0}\n", pod-1)
		case 1, 2, 3, 4:
			fmt.Fprintf(&b, "- createPod: {name: p%d, annotations: {cpus: '%d'}, containers: [{name: app, cpu: 1, memory: 1Gi}]}\n", pod+i%10-1, i%10)
		case 5, 6, 7, 8:
			if pod >= 4 {
				fmt.Fprintf(&b, "- deletePod: p%d\n", pod-4+i%10-5)
				continue
			}
			fallthrough
		default:
			b.WriteString("- reconcile: {}\n")
		}
	}
	return b.Bytes()
}

// perStep loads and replays a scenario and gives the time of each for one step.
func perStep(tb testing.TB, steps int) (load, run time.Duration) {
	tb.Helper()
	data := long(steps)
	start := time.Now()
	s, err := Loader{}.Parse(data, "long.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	load = time.Since(start)
	f := newFake()
	start = time.Now()
	r := Runner{Check: overlapping}.Run(tb.Context(), s, f, f.profile)
	run = time.Since(start)
	if r.Verdict != Pass || len(r.Steps) != steps {
		tb.Fatalf("%s, %d steps: %s", r.Verdict, len(r.Steps), r.Reason)
	}
	return load / time.Duration(steps), run / time.Duration(steps)
}

func TestTenThousandStepsAreLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	// The machine may be busy with other things, so once in five is enough.
	linear := false
	for attempt := 0; attempt < 5 && !linear; attempt++ {
		load1, run1 := perStep(t, 1000)
		load10, run10 := perStep(t, 10000)
		t.Logf("per step: load %v at 1,000 and %v at 10,000; run %v and %v", load1, load10, run1, run10)
		linear = load10 < 3*load1 && run10 < 3*run1
	}
	gomega.NewWithT(t).Expect(linear).To(gomega.BeTrue(), "a step of 10,000 is not dearer than one of 1,000")
}

func BenchmarkLoad(b *testing.B) {
	for _, steps := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("steps=%d", steps), func(b *testing.B) {
			data := long(steps)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (Loader{}).Parse(data, "long.yaml"); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*steps), "ns/step")
		})
	}
}

func BenchmarkRun(b *testing.B) {
	for _, steps := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("steps=%d", steps), func(b *testing.B) {
			s, err := Loader{}.Parse(long(steps), "long.yaml")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				f := newFake()
				if r := (Runner{Check: overlapping}).Run(b.Context(), s, f, f.profile); r.Verdict != Pass {
					b.Fatal(r.Reason)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*steps), "ns/step")
		})
	}
}

// BenchmarkCELEnv is what a scenario with expressions costs once more than one
// without.
func BenchmarkCELEnv(b *testing.B) {
	for b.Loop() {
		if _, err := newCELEnv(); err != nil {
			b.Fatal(err)
		}
	}
}
