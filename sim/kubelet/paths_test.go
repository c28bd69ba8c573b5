package kubelet

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	v1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/sim/observe"
)

// TestPaths follows the writes and errors of a pod's life to where upstream makes them.
func TestPaths(t *testing.T) {
	g := NewWithT(t)
	d := &desk{}
	p := params(t, d, `{cpuManagerPolicy: static, reservedSystemCPUs: "0"}`)
	p.Paths = NewPaths()
	l := start(t, p)
	statements := func() (out []observe.Statement) {
		l.Statements(func(s observe.Statement) {
			if s.Path != nil {
				out = append(out, s)
			}
		})
		return out
	}
	first := statements()
	g.Expect(first).To(HaveLen(1), "%+v", first)
	g.Expect(first[0].Path[:2]).To(Equal([]string{"cpumanager.(*staticPolicy).validateState", "cpumanager.(*staticPolicy).Start"}))

	db := guaranteed("db", 2)
	web := shared("web")
	d.pods = []*v1.Pod{db, web}
	_, err := l.Admit(db, nil)
	g.Expect(err).NotTo(HaveOccurred())
	admitted := statements()
	g.Expect(admitted).To(HaveLen(2), "%+v", admitted)
	policy := []string{"cpumanager.(*staticPolicy).allocateForAdd", "cpumanager.(*staticPolicy).Allocate", "cpumanager.(*manager).Allocate"}
	g.Expect(admitted[0].Path[:4]).To(Equal(append([]string{"cpumanager.(*staticPolicy).allocateCPUs"}, policy...)))
	g.Expect(admitted[0].Write).To(BeTrue())
	g.Expect(admitted[0].Pod).To(BeEmpty(), "the shared pool is no container's")
	g.Expect(admitted[1].Path[:3]).To(Equal(policy))
	g.Expect([]string{admitted[1].Pod, admitted[1].Container}).To(Equal([]string{string(db.UID), "app"}))

	// What the manager notes of containers that it updates is no write of its state.
	for _, pod := range d.pods {
		g.Expect(l.PreStart(pod, &pod.Spec.Containers[0], pod.Name+"-app")).To(Succeed())
	}
	d.update = func(string) error { return errors.New("unable to freeze") }
	g.Expect(l.Reconcile()).To(Succeed())
	ticked := statements()
	g.Expect(ticked).To(HaveLen(1), "%+v", ticked)
	g.Expect(ticked[0].Error).To(BeTrue())
	g.Expect(ticked[0].Write).To(BeFalse())
	g.Expect(ticked[0].Path).To(ContainElement("cpumanager.(*manager).reconcileState"))

	// Nor is what a start reads back.
	l.Stop()
	l = start(t, p)
	g.Expect(statements()).To(BeEmpty())
	d.pods = nil
	g.Expect(l.Reconcile()).To(Succeed())
	released := statements()
	g.Expect(released).To(HaveLen(2), "%+v", released)
	for _, s := range released {
		g.Expect(s.Path[0]).To(Equal("cpumanager.(*staticPolicy).RemoveContainer"))
	}
}

// TestNoPaths keeps a lifetime that nobody asks for paths from looking for them.
func TestNoPaths(t *testing.T) {
	g := NewWithT(t)
	l := start(t, params(t, &desk{}, `{cpuManagerPolicy: static, reservedSystemCPUs: "0"}`))
	seen := 0
	l.Statements(func(s observe.Statement) {
		seen++
		g.Expect(s.Path).To(BeNil())
		g.Expect(s.Write).To(BeFalse())
	})
	g.Expect(seen).To(BeNumerically(">", 3))
}

func TestManagerFunction(t *testing.T) {
	g := NewWithT(t)
	for name, want := range map[string]string{
		"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager.(*manager).Start.func1":      "cpumanager.(*manager).Start",
		"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager.(*manager).Start.func1.2":    "cpumanager.(*manager).Start",
		"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager/state.(*stateMemory).Delete": "cpumanager/state.(*stateMemory).Delete",
		"k8s.io/kubernetes/pkg/kubelet/kubelet.Run":                               "",
	} {
		got, ok := ManagerFunction(name)
		g.Expect(got).To(Equal(want))
		g.Expect(ok).To(Equal(want != ""))
	}
}
