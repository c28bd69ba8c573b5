package measure

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/kubelet"
)

func layout(t *testing.T, ref string) Layout {
	t.Helper()
	g := NewWithT(t)
	p, err := hwprofiles.Resolve(ref)
	g.Expect(err).NotTo(HaveOccurred())
	l, err := NewLayout(p)
	g.Expect(err).NotTo(HaveOccurred())
	return l
}

func TestResidents(t *testing.T) {
	l := layout(t, "generic-2s4c-smt2") // 16 CPUs, siblings n and n+8
	g := NewWithT(t)
	g.Expect(l.Reserved.String()).To(Equal("0,8"))
	g.Expect(l.Assignable()).To(Equal(14))
	for _, c := range []struct {
		fill    string
		request int
		want    [][]int
	}{
		{"empty", 4, [][]int{}},
		{"half", 2, [][]int{{1, 9}, {2, 10}, {3, 11}}},
		{"fragmented", 2, [][]int{{2, 10}, {4, 12}, {6, 14}}},
		{"nearly-full", 4, [][]int{{1, 9, 2, 10}, {3, 11, 4, 12}}},
		{"30%", 4, [][]int{{1, 9, 2, 10}}},
		{"100%", 4, [][]int{{1, 9, 2, 10}, {3, 11, 4, 12}}},
		{"nearly-full", 14, [][]int{}},
		{"0%", 4, [][]int{}},
	} {
		got, err := l.Residents(c.fill, c.request)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(Equal(c.want), "%s, %d", c.fill, c.request)
	}
	_, err := l.Residents("half", 15)
	g.Expect(err).To(MatchError("request 15: want 1 to 14 CPUs, which is what can be assigned"))
	_, err = l.Residents("half", 0)
	g.Expect(err).To(HaveOccurred())
	for _, fill := range []string{"most", "101%", "-1%", "%", "50"} {
		_, err = l.Residents(fill, 1)
		g.Expect(err).To(MatchError(ContainSubstring("want empty, half, fragmented, nearly-full, or a share like 25%")), fill)
	}
}

// TestEveryProfile starts a kubelet on every fill level of every machine of the
// library: the state files that are made must be ones that a kubelet takes.
func TestEveryProfile(t *testing.T) {
	g := NewWithT(t)
	for _, name := range hwprofiles.Names() {
		p, err := hwprofiles.Load(name)
		g.Expect(err).NotTo(HaveOccurred())
		l, err := NewLayout(p)
		if err != nil {
			continue
		}
		machine, err := p.MachineInfo()
		g.Expect(err).NotTo(HaveOccurred())
		seen := cpuset.New()
		for _, node := range machine.Topology {
			for _, core := range node.Cores {
				seen = seen.Union(cpuset.New(core.Threads...))
			}
		}
		g.Expect(l.all.String()).To(Equal(seen.String()), name)
		for _, fill := range Fills() {
			lists, err := l.Residents(fill, 1)
			g.Expect(err).NotTo(HaveOccurred())
			taken := cpuset.New()
			for _, list := range lists {
				set := cpuset.New(list...)
				g.Expect(set.Intersection(taken).Size()+set.Intersection(l.Reserved).Size()).To(Equal(0), name)
				taken = taken.Union(set)
			}
			g.Expect(taken.Size()).To(BeNumerically("<", l.Assignable()), "one more can come")
			data, err := l.state(record.Config{Policy: PolicyStatic}, lists)
			g.Expect(err).NotTo(HaveOccurred())
			state, err := kubelet.ReadCPUState(data)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(state.Entries).To(HaveLen(len(lists)))
		}
	}
}

func request(t *testing.T) Request {
	return Request{
		Config: record.Config{
			Profile: "generic-2s4c-smt2", Policy: PolicyStatic, TopologyPolicy: "single-numa-node", TopologyScope: "pod",
			Fill: FillFragmented, Request: 2, Storage: record.Memory,
		},
		StateDir: t.TempDir(), Operations: record.Operations(), Samples: 5, Budget: 20 * time.Millisecond,
	}
}

// TestServe runs a child's life in this process, with all operations.
func TestServe(t *testing.T) {
	g := NewWithT(t)
	input, err := json.Marshal(request(t))
	g.Expect(err).NotTo(HaveOccurred())
	var out bytes.Buffer
	g.Expect(Serve(bytes.NewReader(input), &out, nil)).To(Succeed())
	count := map[record.Operation]int{}
	var done *Done
	for d := json.NewDecoder(&out); ; {
		var rep Reply
		if err := d.Decode(&rep); errors.Is(err, io.EOF) {
			break
		}
		g.Expect(rep.Failed + rep.Refused).To(BeEmpty())
		for op, samples := range rep.Batch {
			count[op] += len(samples)
		}
		done = rep.Done
	}
	g.Expect(done).NotTo(BeNil())
	for _, op := range record.Operations() {
		g.Expect(count[op]).To(Equal(5), "%s", op)
	}
	g.Expect(done.Sampling).To(BeNumerically(">", 0))
}

// TestStateStays checks that guests leave nothing behind: after the cycles the
// state file holds the residents, on the CPUs they had.
func TestStateStays(t *testing.T) {
	g := NewWithT(t)
	req := request(t)
	read := func() *kubelet.CPUState {
		data, err := os.ReadFile(filepath.Join(req.StateDir, "cpu_manager_state"))
		g.Expect(err).NotTo(HaveOccurred())
		state, err := kubelet.ReadCPUState(data)
		g.Expect(err).NotTo(HaveOccurred())
		return state
	}
	s, err := newSession(req.Config, req.StateDir, nil)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { s.life.Stop() }()
	before := read()
	g.Expect(before.Entries).To(HaveLen(3))
	for range 3 {
		g.Expect(s.cycle()).To(Succeed())
		g.Expect(s.restart()).To(Succeed())
	}
	g.Expect(s.rejected).To(BeEmpty())
	g.Expect(read()).To(Equal(before))
}

// TestContainers measures pods of two containers: with scope container each has
// hints and an alignment of its own, with scope pod there is one for both. The
// state file has an entry for each container, also of the residents.
func TestContainers(t *testing.T) {
	for scope, hints := range map[string]int{"container": 2, "pod": 1} {
		g := NewWithT(t)
		req := request(t)
		req.Config.Containers, req.Config.Request, req.Config.TopologyScope = 2, 3, scope
		s, err := newSession(req.Config, req.StateDir, nil)
		g.Expect(err).NotTo(HaveOccurred())
		s.tell = func(op record.Operation, _ time.Duration) {
			if op == record.Admit {
				g.Expect(s.calls[kubelet.CallHints].calls % hints).To(Equal(0))
				g.Expect(s.calls[kubelet.CallAllocate].calls).To(Equal(2*s.calls[kubelet.CallHints].calls/hints), scope)
			}
		}
		read := func() *kubelet.CPUState {
			data, err := os.ReadFile(filepath.Join(req.StateDir, "cpu_manager_state"))
			g.Expect(err).NotTo(HaveOccurred())
			state, err := kubelet.ReadCPUState(data)
			g.Expect(err).NotTo(HaveOccurred())
			return state
		}
		before := read()
		g.Expect(before.Entries).To(HaveLen(4), "two residents of two containers")
		g.Expect(before.Entries[kubelet.ContainerKey{PodUID: "uid-resident-0000", Name: "app-0"}]).To(BeEquivalentTo("2,10"))
		g.Expect(before.Entries[kubelet.ContainerKey{PodUID: "uid-resident-0000", Name: "app-1"}]).To(BeEquivalentTo("4"))
		g.Expect(s.cycle()).To(Succeed())
		g.Expect(s.restart()).To(Succeed())
		g.Expect(s.rejected).To(BeEmpty())
		g.Expect(read()).To(Equal(before))
		s.life.Stop()
	}
}

func TestServeRefuses(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	g.Expect(Serve(bytes.NewReader([]byte("{")), &out, nil)).To(MatchError(ContainSubstring("bench worker: read request")))
	req := request(t)
	req.Config.Options = map[string]string{"no-such-option": "true"}
	input, err := json.Marshal(req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(Serve(bytes.NewReader(input), &out, nil)).To(Succeed())
	g.Expect(out.String()).To(ContainSubstring(`"refused":`))
	g.Expect(out.String()).To(ContainSubstring("no-such-option"))
}

func TestCalibrate(t *testing.T) {
	g := NewWithT(t)
	o := calibrate()
	g.Expect(o.timer).To(And(BeNumerically(">", 0), BeNumerically("<", 100*time.Microsecond)))
	g.Expect(o.pair).To(BeNumerically(">=", o.timer/2))
	g.Expect(o.loop).To(BeNumerically(">", 0))
}
