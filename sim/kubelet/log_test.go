package kubelet

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager/bitmask"
	"k8s.io/utils/cpuset"
)

// TestRenderIsKlogs holds every line of a busy lifetime, and some unusual ones,
// against klog's own text logger.
func TestRenderIsKlogs(t *testing.T) {
	g := NewWithT(t)
	d := &desk{pods: []*v1.Pod{shared("web"), guaranteed("db", 2), guaranteed("big", 40)}}
	l := start(t, params(t, d, `{cpuManagerPolicy: static, reservedSystemCPUs: "0,8", topologyManagerPolicy: restricted, logging: {verbosity: 10}}`))
	for _, p := range d.pods {
		_, err := l.Admit(p, nil)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(l.PreStart(p, &p.Spec.Containers[0], p.Name+"-app")).To(Succeed())
	}
	d.update = func(string) error { return errors.New("unable to freeze") }
	g.Expect(l.Reconcile()).To(Succeed())
	d.pods = nil
	g.Expect(l.Reconcile()).To(Succeed())
	mask, err := bitmask.NewBitMask(0, 3, 63)
	g.Expect(err).NotTo(HaveOccurred())
	lines := append(l.log.take(),
		logEntry{msg: `quotes " and <html>`, kv: []any{"uid", types.UID("a<b"), "ref", klog.ObjectRef{Name: "x", Namespace: "y"}, "set", cpuset.New(3, 1, 2)}},
		logEntry{msg: "two\nlines", kv: []any{"k", "v"}},
		logEntry{msg: "value of two lines", kv: []any{"k", "a\nb"}},
		logEntry{msg: "a key twice", kv: []any{"k", "a", "j", 1, "k", "b"}},
		logEntry{msg: "a pair twice", kv: []any{"k", "a", "j", 1, "k", "a"}},
		logEntry{msg: "hints", kv: []any{
			"none", []topologymanager.TopologyHint(nil), "any",
			topologymanager.TopologyHint{Preferred: true},
			"nil", map[string][]topologymanager.TopologyHint(nil),
			"map",
			map[string][]topologymanager.TopologyHint{"memory": nil, "cpu": {{NUMANodeAffinity: mask}, {NUMANodeAffinity: mask, Preferred: true}}, "x.com/y": {}},
		}},
		logEntry{msg: "no value", kv: []any{"k"}},
		logEntry{msg: "error without error", isErr: true},
		logEntry{msg: "bytes", kv: []any{"k", []byte("x")}},
	)
	plain := 0
	for i, line := range lines {
		want := line
		want.kv = slices.Concat(line.values, line.kv)
		g.Expect((&recorder{}).render(lines[i : i+1])[0].Text).To(Equal(renderFull(want)))
		line = want
		var buf bytes.Buffer
		if renderPlain(&buf, line) {
			plain++
			g.Expect(buf.String()).To(Equal(renderFull(line)))
		}
	}
	g.Expect(slices.ContainsFunc(lines, func(l logEntry) bool { return len(l.values) > 0 })).To(BeTrue())
	g.Expect(len(lines)).To(BeNumerically(">", 50))
	g.Expect(plain).To(BeNumerically(">", len(lines)*3/4), "the short cut is for nearly all lines")
}

// TestTextsOfSeveralRenders renders twice with one recorder: what was handed out
// stays as it was.
func TestTextsOfSeveralRenders(t *testing.T) {
	g := NewWithT(t)
	r := &recorder{}
	first := r.render([]logEntry{{msg: "one", values: []any{"a", "x"}, kv: []any{"b", "y"}}, {msg: "two"}})
	second := r.render([]logEntry{{msg: "three", kv: []any{"c", "z"}}, {msg: "two\nlines"}})
	g.Expect(first[0].Text).To(Equal(`"one" a="x" b="y"`))
	g.Expect(first[1].Text).To(Equal(`"two"`))
	g.Expect(second[0].Text).To(Equal(`"three" c="z"`))
	g.Expect(second[1].Text).To(Equal(renderFull(logEntry{msg: "two\nlines"})))
}
