package explain

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/pinlab/pinlab/scenarios/report/screen"
	"github.com/pinlab/pinlab/sim/observe"
)

// longOutput is the number of lines after which the answers at the top may have
// left a terminal's window.
const longOutput = 20

// short repeats the answers below a long output, in one line each.
func (t *text) short() {
	if bytes.Count(t.w.Bytes(), []byte("\n")) <= longOutput {
		return
	}
	t.line("")
	t.line("In short:")
	if k := &t.r.Kubelet; !k.Starts {
		after := ""
		if k.Remedied {
			after = "; after the remedy:"
		}
		t.line("  " + t.paint.Paint(screen.Red, "The kubelet does NOT START") + after)
	}
	pods := t.r.Pods
	for i := 0; i < len(pods); i++ {
		p, last := &pods[i], i
		for last+1 < len(pods) && pods[last+1].sameAnswer(p) {
			last++
		}
		name := p.Pod
		if last > i {
			name += " to " + pods[last].Pod
		}
		t.shortLine(name, p, last > i)
		i = last
	}
}

func (p *Pod) sameWorkload(o *Pod) bool {
	return p.Namespace == o.Namespace && p.Workload == o.Workload
}

func (p *Pod) sameAnswer(o *Pod) bool {
	return p.sameWorkload(o) && p.Verdict == o.Verdict && p.Admission.Reason == o.Admission.Reason
}

// shortLine is one answer, cut where the line ends.
func (t *text) shortLine(name string, p *Pod, several bool) {
	style, verdict, rest := screen.Red, "REJECTED", ""
	switch p.Verdict {
	case Rejected:
		rest = " (" + p.Admission.Reason + "), because " + p.Admission.Because
	case NotPlaced:
		verdict, rest = "NOT PLACED", ", because "+p.Admission.Because
	case Shared:
		style, verdict, rest = screen.Yellow, "NOT PINNED", p.whyShared()
	case PartlyPinned:
		style, verdict, rest = screen.Yellow, "PARTLY PINNED", p.places(several)
	case Pinned:
		style, verdict, rest = screen.Green, "PINNED", p.places(several)
	}
	head := "  " + name + ": "
	t.line(head + t.paint.Paint(style, verdict) + cut(rest, t.width-utf8.RuneCountInString(head)-len(verdict)))
}

// whyShared is why the first container that matters is not pinned.
func (p *Pod) whyShared() string {
	for i := range p.Containers {
		c := &p.Containers[i]
		if c.Kind == observe.KindInit || c.Exclusive {
			continue
		}
		reason := why(p, c)
		if detail, ok := strings.CutPrefix(reason, "the pod is "+p.QoS.Class+": "); ok {
			return " (" + p.QoS.Class + "): " + detail // a line has little room
		}
		return ", because " + reason
	}
	return ""
}

// places are the CPUs of a pod's containers; several pods have different ones.
func (p *Pod) places(several bool) string {
	if several {
		return ""
	}
	var parts []string
	for i := range p.Containers {
		if c := &p.Containers[i]; c.Kind != observe.KindInit && c.Exclusive {
			parts = append(parts, c.Name+" to "+where(c.CPUs, c.NUMANodes))
		}
	}
	return ", " + strings.Join(parts, "; ")
}

// cut shortens a text to a number of columns.
func cut(s string, columns int) string {
	runes := []rune(s)
	if len(runes) <= columns || columns < 1 {
		return s
	}
	return string(runes[:columns-1]) + "…"
}
