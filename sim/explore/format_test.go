package explore

import (
	"math/rand/v2"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// TestSavedScenarios lets the loader read what is saved, whatever the search makes up:
// replayed, the file breaks what the scenario broke.
func TestSavedScenarios(t *testing.T) {
	decoder, err := kubelet.NewConfigDecoder()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	local, loader, codec := NewLocal(decoder), sim.NewLoader(decoder, nil), newCodec()
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		s, err := local.gen.scenario(randomGenome(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))))
		g.Expect(err).NotTo(HaveOccurred())
		if s.Profile == manyNodes {
			t.Skip("an admission may not end there")
		}
		out, err := local.Replay(t.Context(), s)
		g.Expect(err).NotTo(HaveOccurred())
		// Upstream releases containers in the order of a map, so that a kill at a write of
		// that leaves one file or another: what the scenario breaks is one of a few.
		broken := func() []string {
			out, err := local.Replay(t.Context(), s)
			g.Expect(err).NotTo(HaveOccurred())
			return keys(out)
		}
		same := func(now Outcome, text string) {
			got := keys(now)
			for want, tries := keys(out), 0; !slices.Equal(got, want); want, tries = broken(), tries+1 {
				if tries == 100 {
					g.Expect(got).To(Equal(want), text)
				}
			}
		}
		applied := *s
		applied.Steps = nil
		for _, i := range out.Applied {
			applied.Steps = append(applied.Steps, s.Steps[i])
		}
		text, err := Format(&applied)
		g.Expect(err).NotTo(HaveOccurred())
		read, err := loader.Parse(text, "saved.yaml")
		g.Expect(err).NotTo(HaveOccurred(), string(text))
		again, err := local.Replay(t.Context(), read)
		g.Expect(err).NotTo(HaveOccurred())
		same(again, string(text))

		// The same on its way to another process.
		wired, err := codec.encode(s)
		g.Expect(err).NotTo(HaveOccurred())
		back, err := codec.decode(wired)
		g.Expect(err).NotTo(HaveOccurred())
		far, err := local.Replay(t.Context(), back)
		g.Expect(err).NotTo(HaveOccurred())
		same(far, "")
	})
}

func keys(o Outcome) []string {
	var out []string
	for _, h := range o.Hits {
		out = append(out, h.Cause.Key())
	}
	return out
}

func TestEmbeddedKnown(t *testing.T) {
	g := NewWithT(t)
	list, err := EmbeddedKnown()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).NotTo(BeEmpty())
	leak := Cause{Broken: "no-leak", Detail: "init has ended and still holds CPU N is"}
	g.Expect(list.Find(leak, []string{"init container"}).Name).To(Equal("init-smaller"))
	g.Expect(list.Find(leak, nil)).To(BeNil())
}

// FuzzParseKnown: bad input is an error.
func FuzzParseKnown(f *testing.F) {
	f.Add(embeddedKnown)
	f.Add([]byte("known:\n- {name: a, why: b, detail: '('}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ParseKnown(data, "fuzzed")
		if err != nil {
			return
		}
		list.Find(Cause{Broken: "no-leak"}, nil)
	})
}
