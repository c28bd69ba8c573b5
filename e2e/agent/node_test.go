package agent

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/sim/observe"
)

func TestPodsInOrder(t *testing.T) {
	names := func(g Gomega, list string) []string {
		pods, err := podsInOrder([]byte(list))
		g.Expect(err).NotTo(HaveOccurred())
		var out []string
		for _, p := range pods {
			out = append(out, string(p))
		}
		return out
	}
	g := NewWithT(t)
	a := `{"metadata":{"name":"a","creationTimestamp":"2026-01-01T00:00:02Z"}}`
	b := `{"metadata":{"name":"b","creationTimestamp":"2026-01-01T00:00:01Z"},"status":{"phase":"Running"}}`
	c := `{"metadata":{"name":"c","creationTimestamp":"2026-01-01T00:00:02Z"}}`
	g.Expect(names(g, `{"items":[`+a+`,`+b+`,`+c+`]}`)).To(Equal([]string{b, a, c}), "by creation, then as they were")
	g.Expect(names(g, `{"items":[]}`)).To(BeEmpty())
	g.Expect(names(g, `{}`)).To(BeEmpty())
	for _, list := range []string{``, `[]`, `{"items":[1]}`, `{"items":[{"metadata":{"creationTimestamp":5}}]}`} {
		_, err := podsInOrder([]byte(list))
		g.Expect(err).To(HaveOccurred(), list)
	}
}

func FuzzPodsInOrder(f *testing.F) {
	for _, list := range []string{
		`{"items":[{"metadata":{"creationTimestamp":"b"}},{"metadata":{"creationTimestamp":"a"}}]}`, `{"items":null}`, `{"items":[null]}`, `{"items":[{}]}`, `x`,
	} {
		f.Add([]byte(list))
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		pods, err := podsInOrder(list)
		if err != nil && pods != nil {
			t.Fatalf("pods and an error: %v", err)
		}
	})
}

func TestCPUList(t *testing.T) {
	g := NewWithT(t)
	g.Expect(cpuList([]int64{3, 1, 2, 7})).To(Equal(observe.CPUs("1-3,7")))
	g.Expect(cpuList(nil)).To(BeEmpty())
}

func TestCommandOutput(t *testing.T) {
	g := NewWithT(t)
	g.Expect(commandOutput("echo", "Kubernetes v1.37.2")).To(Equal("v1.37.2"))
	_, err := commandOutput("true")
	g.Expect(err).To(MatchError(ContainSubstring("printed nothing")))
	_, err = commandOutput("false")
	g.Expect(err).To(MatchError(HavePrefix("false: ")))
}

// The node's image is one layer with busybox and links to it.
func TestBusyboxImage(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "busybox")
	g.Expect(os.WriteFile(file, []byte("\x7fELF and so on"), 0o755)).To(Succeed())
	img, err := busyboxImage(file)
	g.Expect(err).NotTo(HaveOccurred())

	config, err := img.ConfigFile()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(config.Architecture).To(Equal("amd64"))
	g.Expect(config.OS).To(Equal("linux"))
	g.Expect(config.Config.Cmd).To(HaveLen(2))
	layers, err := img.Layers()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(layers).To(HaveLen(1))
	id, err := layers[0].DiffID()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(config.RootFS.DiffIDs).To(ConsistOf(id))

	data, err := layers[0].Uncompressed()
	g.Expect(err).NotTo(HaveOccurred())
	defer data.Close()
	content, links, modes := map[string]string{}, map[string]string{}, map[string]int64{}
	for r := tar.NewReader(data); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		g.Expect(err).NotTo(HaveOccurred())
		modes[h.Name] = h.Mode
		switch h.Typeflag {
		case tar.TypeReg:
			text, err := io.ReadAll(r)
			g.Expect(err).NotTo(HaveOccurred())
			content[h.Name] = string(text)
		case tar.TypeSymlink:
			links[h.Name] = h.Linkname
		}
	}
	g.Expect(content).To(Equal(map[string]string{"bin/busybox": "\x7fELF and so on"}))
	g.Expect(modes).To(And(HaveKeyWithValue("bin/busybox", int64(0o755)), HaveKey("tmp/")))
	g.Expect(links).To(HaveLen(4))
	for _, command := range append(WaitCommand()[:1], ExitCommand()...) {
		g.Expect(links).To(HaveKeyWithValue(command[1:], "busybox"), "what containers run is in the image")
	}

	_, err = busyboxImage(file + "-not-there")
	g.Expect(err).To(MatchError(os.ErrNotExist))
}

// A limit that nobody knows is refused, in the agent and in its helper.
func TestUnknownLimit(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Hog("patience", 0, io.Discard, nil)).To(MatchError(ContainSubstring("patience")))
	n := &Node{}
	g.Expect(n.Exhaust(Exhaust{What: "nofile"}, &None{})).To(MatchError(ContainSubstring("does not run")))
}
