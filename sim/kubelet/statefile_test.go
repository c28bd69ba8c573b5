package kubelet

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/sim/observe"
)

func sample(entries bool) CPUState {
	s := CPUState{Policy: "static", SharedPool: "0,2-8,10-15", Entries: map[ContainerKey]observe.CPUs{{"uid-db", "app"}: "1,9"}}
	if !entries {
		s.SharedPool, s.Entries = "0-15", map[ContainerKey]observe.CPUs{}
	}
	return s
}

// TestBuiltStateFilesAreUpstreams gives the files pinlab builds to the real
// manager: it must take them as its own, and pinlab must read them the same.
func TestBuiltStateFilesAreUpstreams(t *testing.T) {
	for _, version := range []string{"v2", "v3", "v4"} {
		for _, entries := range []bool{true, false} {
			g := NewWithT(t)
			data, err := BuildCPUState(version, sample(entries), ChecksumValid)
			g.Expect(err).NotTo(HaveOccurred())
			read, err := ReadCPUState(data)
			g.Expect(err).NotTo(HaveOccurred(), version)
			g.Expect(*read).To(Equal(sample(entries)))
			p := params(t, &desk{}, static)
			p.SourcesReady = false // else the entry's pod, unknown here, is collected
			g.Expect(os.WriteFile(filepath.Join(p.StateDir, observe.CPUStateFile), data, 0o600)).To(Succeed())
			l := New(p)
			g.Expect(l.Start()).To(Succeed(), version)
			g.Expect(l.Snapshot().Entries).To(Equal(sample(entries).Entries))
			l.Stop()

			bad, err := BuildCPUState(version, sample(entries), ChecksumWrong)
			g.Expect(err).NotTo(HaveOccurred())
			_, err = ReadCPUState(bad)
			g.Expect(err).To(MatchError(ContainSubstring("checkpoint is corrupted")), version)
		}
	}
}

func TestV1IsRefused(t *testing.T) {
	g := NewWithT(t)
	data, err := BuildCPUState("v1", sample(true), ChecksumValid)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = ReadCPUState(data)
	g.Expect(err).To(MatchError(ContainSubstring("json: cannot unmarshal string into Go struct field")))
	_, err = BuildCPUState("v9", sample(true), ChecksumValid)
	g.Expect(err).To(MatchError(ContainSubstring("want v1, v2, v3 or v4")))
}

func TestEditedStateFile(t *testing.T) {
	set := map[string]json.RawMessage{"defaultCpuSet": json.RawMessage(`"0-7"`)}
	for _, version := range []string{"v2", "v4"} {
		g := NewWithT(t)
		data, err := BuildCPUState(version, sample(true), ChecksumValid)
		g.Expect(err).NotTo(HaveOccurred())
		fixed, err := EditCPUState(data, set, true)
		g.Expect(err).NotTo(HaveOccurred())
		read, err := ReadCPUState(fixed)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(read.SharedPool).To(Equal(observe.CPUs("0-7")))
		raw, err := EditCPUState(data, set, false)
		g.Expect(err).NotTo(HaveOccurred())
		read, err = ReadCPUState(raw)
		if version == "v4" {
			g.Expect(err).NotTo(HaveOccurred(), "in a v4 file the old fields count for nothing")
			g.Expect(read.SharedPool).To(Equal(sample(true).SharedPool))
		} else {
			g.Expect(err).To(MatchError(ContainSubstring("checkpoint is corrupted")))
		}
	}
	_, err := EditCPUState([]byte("not json"), set, true)
	NewWithT(t).Expect(err).To(MatchError(ErrNotCheckpoint))
}

func FuzzReadCPUState(f *testing.F) {
	for _, version := range []string{"v1", "v2", "v3", "v4"} {
		data, err := BuildCPUState(version, sample(true), ChecksumValid)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add([]byte(`{"policyName":"static","defaultCpuSet":"0-3","checksum":0}`))
	f.Add([]byte(`{"policyName":"none","defaultCpuSet":"0-2000000000","checksum":0}`))
	f.Add([]byte(`{"data":"null","dataChecksum":1}`))
	f.Add([]byte(v4Of(`{"policyName":"static","podEntries":{"u":{"cpuSet":"0-2000000000"}}}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if CheckCPUState(data) == nil && BoundedCPUState(data) != nil {
			t.Fatal("well-formed and yet beyond the bounds")
		}
		s, err := ReadCPUState(data)
		if err != nil {
			return
		}
		again, err := BuildCPUState("v4", *s, ChecksumValid)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCPUState(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}
