package explain

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/scenarios/report/screen"
	"github.com/pinlab/pinlab/sim/observe"
)

// Write writes a report for people: the answers first, what they rest on, then
// the details of each pod, and a map of the CPUs; after much of that, the
// answers again in short.
func Write(w io.Writer, r *Report, opts report.MapOptions) error {
	out := &bytes.Buffer{}
	t := &text{w: out, paint: screen.Painter{Color: opts.Color}, r: r, width: opts.Width}
	if t.width <= 0 {
		t.width = 80
	}
	t.kubelet()
	t.answers()
	t.ground()
	t.details()
	if len(r.Node.Containers) > 0 || r.Node.SharedPool != "" {
		t.line("")
		if err := report.CPUMap(out, r.Node, r.machine, opts); err != nil {
			return err
		}
	}
	t.short()
	_, err := out.WriteTo(w)
	return err
}

type text struct {
	w     *bytes.Buffer
	paint screen.Painter
	r     *Report
	width int
	blank bool // the last line is empty
}

func (t *text) line(s string) {
	t.blank = s == ""
	fmt.Fprintln(t.w, strings.TrimRight(s, " "))
}

func (t *text) linef(format string, args ...any) { t.line(fmt.Sprintf(format, args...)) }

// wrap writes text in lines that fit, the first after head, the others
// indented as deep.
func (t *text) wrap(head, s string) { t.wrapAfter(head, len(head), len(head), s) }

// wrapAfter is wrap for a head that is shown in columns columns, with an
// indentation of its own.
func (t *text) wrapAfter(head string, columns, indent int, s string) {
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > max(t.width-columns, 30):
			t.line(head + line)
			head, line, columns = strings.Repeat(" ", indent), word, indent
		default:
			line += " " + word
		}
	}
	t.line(head + line)
}

// hanging is the indentation of an answer that takes more than one line.
const hanging = 4

// kubelet tells of a kubelet that does not start.
func (t *text) kubelet() {
	k := &t.r.Kubelet
	if k.Starts {
		return
	}
	t.line(t.paint.Paint(screen.Red, "The kubelet does NOT START:"))
	t.wrap("  ", k.Error)
	if len(k.Remedy) > 0 {
		t.line("")
		t.line("  Remedy:")
		for i, step := range k.Remedy {
			t.wrap(fmt.Sprintf("  %d. ", i+1), step)
		}
	}
	t.line("")
	if k.Remedied {
		t.line("After that:")
		t.line("")
	}
}

// answers are the short answers, those of like replicas together.
func (t *text) answers() {
	pods := t.r.Pods
	for i := 0; i < len(pods); i++ {
		p := &pods[i]
		if p.SameAs == "" {
			t.answer(p, i == 0 || !p.sameWorkload(&pods[i-1]))
			continue
		}
		last := i
		for last+1 < len(pods) && pods[last+1].SameAs == p.SameAs {
			last++
		}
		names := p.Pod
		if last > i {
			names += " to " + pods[last].Pod
		}
		t.linef("%s: as %s", names, p.SameAs)
		if last+1 == len(pods) || pods[last+1].Workload != p.Workload {
			t.line("")
		}
		i = last
	}
}

// answer is the short answer for one pod, with what to change. first says that
// no pod of its workload comes before it.
func (t *text) answer(p *Pod, first bool) {
	switch p.Verdict {
	case Rejected:
		t.verdict(p.Pod, screen.Red, "REJECTED", "("+p.Admission.Reason+"), because "+p.Admission.Because)
	case NotPlaced:
		t.verdict(p.Pod, screen.Red, "NOT PLACED", "because "+p.Admission.Because)
	default:
		t.lasting(p)
	}
	warned := first && len(p.Warnings) > 0
	if warned {
		for _, s := range p.Warnings {
			t.wrapAfter("  "+t.paint.Paint(screen.Yellow, "Warning")+": ", len("  Warning: "), hanging, s)
		}
	}
	for i := range p.Suggestions {
		t.suggestion(p, &p.Suggestions[i], i)
	}
	for _, n := range p.Notes {
		t.wrap("  note: ", n)
	}
	if warned || len(p.Suggestions)+len(p.Notes) > 0 {
		t.line("")
	}
}

// lasting tells of the containers that run as long as the pod; those that are
// not pinned for the same reason share a line.
func (t *text) lasting(p *Pod) {
	var names []string
	for i := range p.Containers {
		c := &p.Containers[i]
		if c.Kind == observe.KindInit {
			continue
		}
		name := p.Pod + "/" + c.Name
		switch {
		case c.Exclusive:
			t.verdict(name, screen.Green, "PINNED", "to "+where(c.CPUs, c.NUMANodes))
			continue
		case len(c.NUMANodes) > 0:
			t.verdict(name, screen.Yellow, "SHARES", "the pod's own "+where(c.CPUs, c.NUMANodes)+" with its other containers: "+strings.TrimSuffix(c.Reason, podPool))
			continue
		}
		names = append(names, name)
		if next := nextLasting(p, i); next == nil || next.Exclusive || len(next.NUMANodes) > 0 || why(p, next) != why(p, c) {
			t.verdict(listWords(names), screen.Yellow, "NOT PINNED", "because "+why(p, c))
			names = nil
		}
	}
}

func nextLasting(p *Pod, i int) *Container {
	for j := i + 1; j < len(p.Containers); j++ {
		if p.Containers[j].Kind != observe.KindInit {
			return &p.Containers[j]
		}
	}
	return nil
}

// verdict writes "NAME: VERDICT, because …".
func (t *text) verdict(name string, s screen.Style, verdict, rest string) {
	glue := ", "
	if !strings.HasPrefix(rest, "because ") {
		glue = " "
	}
	t.wrapAfter(name+": "+t.paint.Paint(s, verdict)+glue, len(name)+2+len(verdict)+len(glue), hanging, rest)
}

// why says why a container is not pinned.
func why(p *Pod, c *Container) string {
	if strings.HasPrefix(c.Reason, "QoS "+p.QoS.Class) && p.QoS.Class != "Guaranteed" {
		return "the pod is " + p.QoS.Class + ": " + p.QoS.Detail
	}
	return strings.TrimPrefix(c.Reason, "QoS Guaranteed, but ")
}

func where(cpus observe.CPUs, nodes []int) string {
	word := "CPUs "
	if cpus.Set().Size() == 1 {
		word = "CPU "
	}
	text := word + string(cpus)
	switch len(nodes) {
	case 0:
	case 1:
		text += fmt.Sprintf(" (NUMA node %d)", nodes[0])
	default:
		text += " (NUMA nodes " + strings.ReplaceAll(nodeList(nodes), "+", ",") + ")"
	}
	return text
}

func (t *text) suggestion(p *Pod, g *Suggestion, i int) {
	head := "Smallest change"
	if i > 0 {
		head = "Or"
	}
	t.wrapAfter("  "+t.paint.Paint(screen.Bold, head)+": ", len(head)+4, hanging, g.Title)
	t.edits(p, g.Manifest)
	for _, e := range g.Config {
		t.linef("      kubelet: %s: %s%s", e.Path, e.To, was(e.From))
	}
	for _, n := range g.Notes {
		t.wrap("      - ", n)
	}
	var parts []string
	for _, o := range g.Outcome {
		parts = append(parts, o.Container+" "+where(o.CPUs, o.NUMANodes))
	}
	const most = 4
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("%d more", len(g.Outcome)-most))
	}
	t.wrap("      ", "With this change (tried): "+strings.Join(parts, "; "))
}

// edits writes the fields to set, those of one place together.
func (t *text) edits(p *Pod, list []Edit) {
	last := ""
	for _, e := range list {
		if e.To == "" {
			t.linef("      remove %s%s", e.Path, t.place(p, e.Line))
			continue
		}
		at := strings.Index(e.Path, ".resources.") + len(".resources")
		place := e.Path[:at]
		if place != last {
			name := ""
			if e.Container != "" {
				name = "  # container " + e.Container
			}
			t.linef("      %s:%s%s", place, name, t.place(p, e.Line))
			last = place
		}
		t.linef("        %s: %s%s", e.Path[at+1:], e.To, was(e.From))
	}
}

func (t *text) place(p *Pod, line int) string {
	if line == 0 {
		return ""
	}
	return t.paint.Paint(screen.Dim, fmt.Sprintf("  (%s:%d)", p.File, line))
}

func was(from string) string {
	if from == "" {
		return ""
	}
	return "  (was " + from + ")"
}

// ground says what the answers rest on.
func (t *text) ground() {
	r := t.r
	c := r.Kubelet.Config
	if !t.blank {
		t.line("")
	}
	for _, a := range r.Assumptions {
		t.wrapAfter(t.paint.Paint(screen.Yellow, "Assumed: "), len("Assumed: "), len("Assumed: "), a)
	}
	t.wrap("Machine: ", fmt.Sprintf("%s, %s, %s", r.Profile, cpuText(r.machine.OnlineCPUs().Size()), count(len(r.machine.NUMANodes), "NUMA node")))
	words := []string{r.KubeletVersion, "cpuManagerPolicy " + c.CPUManagerPolicy}
	for _, name := range sortedNames(c.CPUManagerPolicyOptions) {
		words = append(words, name+"="+c.CPUManagerPolicyOptions[name])
	}
	if c.Reserved != "" {
		words = append(words, "reserved "+where(c.Reserved, nil))
	}
	words = append(words, "topologyManagerPolicy "+c.TopologyManagerPolicy)
	if c.TopologyManagerPolicy != "none" {
		words = append(words, "topologyManagerScope "+c.TopologyManagerScope)
	}
	words = append(words, "memoryManagerPolicy "+c.MemoryManagerPolicy)
	t.wrap("Kubelet: ", strings.Join(words, ", "))
	t.state()
	if len(r.Pods) > 1 && r.Node.Kubelet == observe.KubeletRunning {
		t.wrap("Order:   ", fmt.Sprintf("the %d pods are placed one after another on the same node, as if created in the order of the file", len(r.Pods)))
	}
}

func (t *text) state() {
	s := t.r.State
	switch {
	case s == nil:
		return
	case s.Error != "":
		t.wrap("State:   ", s.File+" cannot be read: "+s.Error)
		return
	}
	held := map[string]bool{}
	cpus := cpuset.New()
	for _, e := range s.Entries {
		held[e.Pod] = true
		cpus = cpus.Union(e.CPUs.Set())
	}
	t.wrap("State:   ", fmt.Sprintf("%s: policy %s, shared pool %s, %s of %s have %s of their own",
		s.File, s.Policy, s.SharedPool, count(len(s.Entries), "container"), count(len(held), "pod"), cpuText(cpus.Size())))
}
