package record_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/bench/record"
)

func config() record.Config {
	return record.Config{
		Profile: "generic-2s4c-smt2", Policy: "static", Options: map[string]string{"full-pcpus-only": "true", "align-by-socket": "false"},
		TopologyPolicy: "best-effort", TopologyScope: "container", Fill: "half", Request: 4, Storage: record.Memory,
	}
}

func report() *record.Report {
	r := record.Result{Config: config(), Status: record.Done, Series: []record.Series{}}
	r.Add(record.Remove, 0, []float64{7})
	r.Add(record.Admit, 1, []float64{3, 4.5})
	r.Add(record.Admit, 0, []float64{1, 2})
	return &record.Report{APIVersion: record.APIVersion, Kind: record.Kind, Results: []record.Result{r}}
}

func TestName(t *testing.T) {
	NewWithT(t).Expect(config().Name()).To(Equal(
		"profile=generic-2s4c-smt2/policy=static/options=align-by-socket:false,full-pcpus-only:true/topology=best-effort/scope=container/fill=half/request=4/storage=memory"))
}

func TestAdd(t *testing.T) {
	g := NewWithT(t)
	r := report().Results[0]
	g.Expect(r.Series).To(HaveLen(2))
	g.Expect(r.Series[0].Operation).To(Equal(record.Admit), "series are in the order of operations")
	g.Expect(r.Of(record.Admit).Repetitions).To(Equal([][]float64{{1, 2}, {3, 4.5}}))
	g.Expect(r.Of(record.Admit).All()).To(Equal([]float64{1, 2, 3, 4.5}))
	g.Expect(r.Of(record.Merge)).To(BeNil())
	c := r.Clone()
	c.Series[0].Repetitions[0][0] = 99
	g.Expect(r.Of(record.Admit).Repetitions[0][0]).To(Equal(1.0))
}

func TestRoundTrip(t *testing.T) {
	g := NewWithT(t)
	data, err := record.Marshal(report())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(data)).To(ContainSubstring("[3, 4.5]"), "samples stand in lines")
	back, err := record.Parse(data, "f.json")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(back).To(Equal(report()))
}

// TestBadFiles goes through what people hand in.
func TestBadFiles(t *testing.T) {
	good, err := record.Marshal(report())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	edit := func(before, after string) string {
		NewWithT(t).Expect(string(good)).To(ContainSubstring(before))
		return strings.Replace(string(good), before, after, 1)
	}
	for _, c := range []struct{ name, content, want string }{
		{"empty", " \n", "f.json: is empty; want a file that 'pinlab bench --save' wrote"},
		{"garbage", "hello\n", "f.json:1: invalid character 'h' looking for beginning of value; want JSON that 'pinlab bench --save' wrote"},
		{"cut", string(good[:len(good)/2]), "unexpected end of JSON input"},
		{"another kind", `{"apiVersion": "pinlab/v1alpha1", "kind": "RunReport"}`, `f.json: kind "RunReport" of "pinlab/v1alpha1": want BenchReport of pinlab/v1alpha1, as 'pinlab bench --save' writes it`},
		{"a list", `[1, 2]`, "the document: array is no"},
		{"no results", `{"apiVersion": "pinlab/v1alpha1", "kind": "BenchReport", "results": []}`, "f.json: holds no results"},
		{"NaN", edit("4.5", "NaN"), "invalid character 'N'"},
		{"a word", edit("4.5", `"slow"`), "string is no float64"},
		{"too large", edit("4.5", "1e999"), "number 1e999 is no float64"},
		{"negative", edit("4.5", "-4"), "f.json:14: result 1: operation admit, repetition 2, sample 2: -4 is no time in nanoseconds"},
		{"operation", edit(`"remove"`, `"removal"`), `result 1: operation "removal": want one of [admit`},
		{"operation twice", edit(`"remove"`, `"admit"`), "result 1: operation admit: given twice"},
		{"status", edit(`"done"`, `"fine"`), `result 1: status "fine": want done, did-not-finish, refused, failed or interrupted`},
		{"no profile", edit(`"generic-2s4c-smt2"`, `""`), "result 1: the configuration has no profile, policy, fill or request"},
		{"no samples", edit("[7]", "[]"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := record.Parse([]byte(c.content), "f.json")
			if c.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
			var file *record.FileError
			g.Expect(errors.As(err, &file)).To(BeTrue())
			g.Expect(file.File).To(Equal("f.json"))
		})
	}
	g := NewWithT(t)
	twice := report()
	twice.Results = append(twice.Results, twice.Results[0])
	data, err := record.Marshal(twice)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = record.Parse(data, "f.json")
	g.Expect(err).To(MatchError(MatchRegexp(`f.json:\d+: result 2: the same configuration as result 1: profile=generic`)))
	none := report()
	none.Results[0].Series = nil
	data, err = record.Marshal(none)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = record.Parse(data, "f.json")
	g.Expect(err).To(MatchError(ContainSubstring("is done and has no samples")))
}

func TestMarshalRefusesNaN(t *testing.T) {
	r := report()
	r.Results[0].Series[0].Repetitions[0][0] = math.NaN()
	_, err := record.Marshal(r)
	NewWithT(t).Expect(err).To(HaveOccurred())
}

func TestLoad(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	_, err := record.Load(filepath.Join(dir, "nowhere.json"))
	g.Expect(err).To(MatchError(filepath.Join(dir, "nowhere.json") + ": no such file or directory"))
	_, err = record.Load(dir)
	g.Expect(err).To(MatchError(ContainSubstring("is a directory")))
}

func TestReplaceableAndWrite(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "a.json")
	mine := func(c []byte) bool { return strings.HasPrefix(string(c), "mine") }
	g.Expect(record.Replaceable(file, "report", mine)).To(Succeed())
	g.Expect(record.Write(file, []byte("mine 1"))).To(Succeed())
	g.Expect(record.Replaceable(file, "report", mine)).To(Succeed())
	g.Expect(os.WriteFile(file, []byte("a letter"), 0o600)).To(Succeed())
	g.Expect(record.Replaceable(file, "report", mine)).To(MatchError(file + ": is no report; it is not overwritten"))
	g.Expect(record.Replaceable(filepath.Join(dir, "no", "b.json"), "report", mine)).To(MatchError(ContainSubstring("cannot be written: no such file or directory")))
	g.Expect(record.Replaceable(dir, "report", mine)).To(MatchError(dir + ": is a directory; want a file"))
	g.Expect(record.Replaceable(filepath.Join(file, "x"), "report", mine)).To(HaveOccurred())
	g.Expect(record.Write(filepath.Join(dir, "no", "b.json"), nil)).To(HaveOccurred())
	left, err := filepath.Glob(filepath.Join(dir, ".pinlab-*"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(BeEmpty())
}
