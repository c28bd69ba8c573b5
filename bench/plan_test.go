package bench_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/bench"
)

func TestDefaultPlan(t *testing.T) {
	g := NewWithT(t)
	p, err := bench.NewPlan(bench.Request{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Configs).To(HaveLen(12))
	g.Expect(p.Machines).To(HaveLen(12))
	g.Expect(p.Operations).To(Equal(bench.Operations()))
	g.Expect(p.Repetitions).To(Equal(bench.DefaultRepetitions))
	sizes := map[string]map[int]bool{"cpus": {}, "nodes": {}}
	disk := 0
	for i, m := range p.Machines {
		if m.NUMANodes == 2 && m.Pods == 0 {
			sizes["cpus"][m.CPUs] = true
		}
		if m.CPUs == 256 && m.Pods == 0 {
			sizes["nodes"][m.NUMANodes] = true
		}
		if p.Configs[i].Storage == bench.StorageDisk {
			disk++
		}
	}
	g.Expect(sizes["cpus"]).To(HaveLen(3), "enough sizes to fit a growth")
	g.Expect(sizes["nodes"]).To(HaveLen(3))
	g.Expect(disk).To(Equal(1))
}

func TestCross(t *testing.T) {
	g := NewWithT(t)
	p, err := bench.NewPlan(bench.Request{
		Profiles: []string{"generic-2s4c-smt2", "xeon-2s24c-smt2", "generic-2s4c-smt2"}, TopologyPolicies: []string{"none", "restricted"},
		Options: []map[string]string{{}, {"full-pcpus-only": "true"}}, Fills: []string{"25%"}, Requests: []int{2, 4}, Operations: []string{"restart", "admit"},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Configs).To(HaveLen(2*2*2*2*2), "profiles × topology × options × requests × storages; twice the same is once")
	g.Expect(p.Operations).To(Equal([]bench.Operation{"admit", "restart"}))

	// Pods have two containers where scopes are asked for: with one, both are the
	// same. A pod of one CPU has no room for two.
	p, err = bench.NewPlan(bench.Request{TopologyScopes: []string{"container", "pod"}, Fills: []string{"half"}, Requests: []int{1, 4}, Storages: []string{"memory"}})
	g.Expect(err).NotTo(HaveOccurred())
	var containers []string
	for _, c := range p.Configs {
		containers = append(containers, fmt.Sprintf("%s %d %d", c.TopologyScope, c.Request, c.Containers))
	}
	g.Expect(containers).To(Equal([]string{"container 1 1", "container 4 2", "pod 1 1", "pod 4 2"}))
	p, err = bench.NewPlan(bench.Request{Containers: []int{1, 3}, Fills: []string{"half"}, Storages: []string{"memory"}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Configs).To(HaveLen(2))
	g.Expect(p.Configs[0].Name()).NotTo(ContainSubstring("containers"), "the names of older files")
	g.Expect(p.Configs[1].Name()).To(ContainSubstring("/request=4/containers=3/storage="))

	// A machine too small for the default request gets a smaller one.
	p, err = bench.NewPlan(bench.Request{Profiles: []string{"aws-graviton2-2cpu"}, Fills: []string{"empty"}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Configs[0].Request).To(Equal(1))
}

func TestBadRequests(t *testing.T) {
	for _, c := range []struct {
		r    bench.Request
		want string
	}{
		{bench.Request{Profiles: []string{"xeon-2s24c-smt3"}}, `profile xeon-2s24c-smt3: `},
		{bench.Request{Profiles: []string{"cores=1"}}, "1 core: one is reserved, and none is left for pods"},
		{bench.Request{Policies: []string{"statik"}}, `policy "statik": did you mean "static"? (want none, static)`},
		{bench.Request{TopologyPolicies: []string{"best"}}, `topology policy "best": did you mean "best-effort"?`},
		{bench.Request{TopologyScopes: []string{"node"}}, `topology scope "node"`},
		{bench.Request{Fills: []string{"fragmentd"}}, `did you mean "fragmented"?`},
		{bench.Request{Fills: []string{"120%"}}, `fill "120%": want empty, half, fragmented, nearly-full, or a share like 25%`},
		{bench.Request{Storages: []string{"tape"}}, `storage "tape": want memory, disk`},
		{bench.Request{Operations: []string{"admitt"}}, `operation "admitt": did you mean "admit"?`},
		{bench.Request{Requests: []int{95}}, "profile xeon-2s24c-smt2: request 95: want 1 to 94 CPUs, which is what can be assigned"},
		{bench.Request{Requests: []int{-1}}, "request -1: want 1 to 94"},
		{bench.Request{Options: []map[string]string{{"full-pcpu-only": "true"}}}, `policy option "full-pcpu-only": did you mean "full-pcpus-only"?`},
		{bench.Request{Options: []map[string]string{{"full-pcpus-only": "yes"}}}, `policy option full-pcpus-only="yes": want true or false`},
		{bench.Request{Policies: []string{"none"}, Options: []map[string]string{{"full-pcpus-only": "true"}}}, "the kubelet takes them with policy static only"},
		{bench.Request{Containers: []int{0}}, "containers 0: want at least 1"},
		{bench.Request{Containers: []int{5}}, "containers 5: want at most 4 with request 4: each container has whole CPUs"},
		{bench.Request{Repetitions: -1}, "repetitions -1: want at least 1"},
		{bench.Request{Samples: -1}, "samples -1: want at least 1"},
		{bench.Request{Time: -time.Second}, "time -1s: want a positive duration"},
		{bench.Request{Deadline: -time.Second}, "deadline -1s: want a positive duration"},
	} {
		g := NewWithT(t)
		_, err := bench.NewPlan(c.r)
		g.Expect(err).To(MatchError(ContainSubstring(c.want)))
		g.Expect(err).To(MatchError(bench.ErrInput))
	}
}

func TestDiskDirectory(t *testing.T) {
	g := NewWithT(t)
	for dir, want := range map[string]string{
		"/dev/shm": "disk directory /dev/shm: its files live in memory (tmpfs)",
		"/nowhere": "disk directory: /nowhere: no such file or directory",
	} {
		p := plan(t, "silent", bench.Request{Profiles: []string{"generic-1s4c"}, Requests: []int{1}, Storages: []string{"disk"}, DiskDir: dir})
		_, err := bench.Run(t.Context(), p, nil)
		g.Expect(err).To(MatchError(ContainSubstring(want)))
		g.Expect(err).To(MatchError(bench.ErrInput))
	}
	_, err := bench.Run(t.Context(), &bench.Plan{}, nil)
	g.Expect(err).To(MatchError("bench: the plan has no Command"))
}
