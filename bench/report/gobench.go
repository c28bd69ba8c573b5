package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"golang.org/x/perf/benchfmt"
	"gonum.org/v1/gonum/stat"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/bench/stats"
)

// GoBench writes a report as Go benchmark results. Each repetition is a line of
// its own, so that benchstat sees as many samples as there are independent ones;
// its first value is the mean, which is what go test reports, the second the
// median, which interruptions do not move.
func GoBench(w io.Writer, r *record.Report) error {
	var buf bytes.Buffer
	out := benchfmt.NewWriter(&buf)
	e := r.Environment
	config := []benchfmt.Config{}
	for _, kv := range [][2]string{{"goos", e.OS}, {"goarch", e.Arch}, {"pkg", "github.com/pinlab/pinlab/bench"}, {"cpu", e.CPUModel}, {"kubelet", e.Kubelet}} {
		if kv[1] != "" {
			config = append(config, benchfmt.Config{Key: kv[0], Value: []byte(kv[1]), File: true})
		}
	}
	for i := range r.Results {
		for _, s := range r.Results[i].Series {
			for _, samples := range s.Repetitions {
				if len(samples) == 0 {
					continue
				}
				line := benchfmt.Result{
					Config: config, Name: benchfmt.Name(benchName(r.Results[i].Config, s.Operation)), Iters: len(samples),
					Values: []benchfmt.Value{
						{Value: stat.Mean(samples, nil), Unit: "ns/op"}, {Value: stats.Median(samples), Unit: "p50-ns/op"},
					},
				}
				if err := out.Write(&line); err != nil {
					return fmt.Errorf("benchmark format: %w", err)
				}
			}
		}
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// benchName is a configuration's name as a benchmark's: without spaces, and with
// slashes only between its parts.
func benchName(c record.Config, op record.Operation) string {
	c.Profile = strings.NewReplacer("/", "_", " ", "_").Replace(c.Profile)
	name := string(op)
	return strings.ToUpper(name[:1]) + name[1:] + "/" + c.Name()
}
