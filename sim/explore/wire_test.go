package explore

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// TestCorpusOnItsWay: every event of the corpus reaches another process and a saved
// file as it is.
func TestCorpusOnItsWay(t *testing.T) {
	g := NewWithT(t)
	decoder, err := kubelet.NewConfigDecoder()
	g.Expect(err).NotTo(HaveOccurred())
	loader, codec := sim.NewLoader(decoder, nil), newCodec()
	seen := map[string]bool{}
	for _, name := range scenarios.CorpusNames() {
		s, err := loader.LoadCorpus(name)
		g.Expect(err).NotTo(HaveOccurred())
		events := *s
		events.Steps, events.Violates = nil, nil
		for _, step := range s.Steps {
			if step.Event != nil {
				seen[codec.key(step.Event)] = true
				events.Steps = append(events.Steps, scenarios.Step{Event: step.Event})
			}
		}
		wired, err := codec.encode(&events)
		g.Expect(err).NotTo(HaveOccurred(), s.Name)
		back, err := codec.decode(wired)
		g.Expect(err).NotTo(HaveOccurred(), s.Name)
		said(g, &events, back)
		text, err := Format(&events)
		g.Expect(err).NotTo(HaveOccurred(), s.Name)
		read, err := loader.Parse(text, s.Name+".yaml")
		g.Expect(err).NotTo(HaveOccurred(), string(text))
		said(g, &events, read)
	}
	for key := range codec.types {
		g.Expect(seen).To(HaveKey(key), "the corpus has no event of this kind")
	}
}

// said compares events by what they say and what they carry to the next process.
func said(g Gomega, want, got *scenarios.Scenario) {
	g.Expect(got.Steps).To(HaveLen(len(want.Steps)), want.Name)
	for i := range want.Steps {
		w, h := want.Steps[i].Event, got.Steps[i].Event
		if _, ok := w.(scenarios.CreatePod); ok { // a file has a pod in fewer words
			g.Expect(h.String()).To(Equal(w.String()), "%s, event %d", want.Name, i+1)
			continue
		}
		wanted, err := json.Marshal(w)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(json.Marshal(h)).To(MatchJSON(wanted), "%s, event %d", want.Name, i+1)
	}
}
