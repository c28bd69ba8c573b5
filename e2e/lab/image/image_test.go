package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cavaliergopher/cpio"
	. "github.com/onsi/gomega"
)

// unpack reads an archive of the kernel's early boot.
func unpack(g Gomega, data io.Reader) (names []string, content map[string]string, modes map[string]cpio.FileMode) {
	content, modes = map[string]string{}, map[string]cpio.FileMode{}
	for r := cpio.NewReader(data); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names, content, modes
		}
		g.Expect(err).NotTo(HaveOccurred())
		names = append(names, h.Name)
		modes[h.Name] = h.Mode
		text, err := io.ReadAll(r)
		g.Expect(err).NotTo(HaveOccurred())
		content[h.Name] = string(text)
		if h.Linkname != "" {
			content[h.Name] = h.Linkname
		}
	}
}

func TestWriteFirmware(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	g.Expect(WriteFirmware(&b, map[string][]byte{"kernel/firmware/acpi/madt.aml": []byte("APIC and more")})).To(Succeed())
	g.Expect(b.Len()%4).To(BeZero(), "the kernel looks for the next archive at a multiple of 4")
	names, content, modes := unpack(g, &b)
	g.Expect(names).To(Equal([]string{"kernel", "kernel/firmware", "kernel/firmware/acpi", "kernel/firmware/acpi/madt.aml"}))
	g.Expect(content).To(HaveKeyWithValue("kernel/firmware/acpi/madt.aml", "APIC and more"))
	g.Expect(modes["kernel/firmware"]).To(Equal(cpio.FileMode(cpio.TypeDir | 0o755)))
	g.Expect(modes["kernel/firmware/acpi/madt.aml"]).To(Equal(cpio.FileMode(cpio.TypeReg | 0o644)))
}

func TestWriteFirmwareDirectoriesOnce(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	g.Expect(WriteFirmware(&b, map[string][]byte{"a/b/x": {1}, "a/b/y": {2}, "a/z": nil})).To(Succeed())
	names, _, _ := unpack(g, &b)
	g.Expect(names).To(ConsistOf("a", "a/b", "a/b/x", "a/b/y", "a/z"))
	for i, n := range names {
		if dir := filepath.Dir(n); dir != "." {
			g.Expect(names[:i]).To(ContainElement(dir), "a directory is made before what is in it")
		}
	}
}

func TestWriteArchive(t *testing.T) {
	g := NewWithT(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "initrd"))
	g.Expect(err).NotTo(HaveOccurred())
	defer f.Close()
	g.Expect(writeArchive(f, []cpioFile{
		{name: "bin", mode: cpio.TypeDir | 0o755},
		{name: "bin/sh", mode: cpio.TypeSymlink | 0o777, data: []byte("busybox")},
		{name: "init", mode: cpio.TypeReg | 0o755, data: []byte(initScript)},
	})).To(Succeed())
	_, err = f.Seek(0, io.SeekStart)
	g.Expect(err).NotTo(HaveOccurred())
	names, content, modes := unpack(g, f)
	g.Expect(names).To(Equal([]string{"bin", "bin/sh", "init"}))
	g.Expect(content["bin/sh"]).To(Equal("busybox"))
	g.Expect(content["init"]).To(Equal(initScript))
	g.Expect(modes["init"].Perm()).To(Equal(cpio.FileMode(0o755)))
}

func TestCached(t *testing.T) {
	g := NewWithT(t)
	cache, input := t.TempDir(), filepath.Join(t.TempDir(), "binary")
	put := func(text string) { g.Expect(os.WriteFile(input, []byte(text), 0o755)).To(Succeed()) }
	built := 0
	build := func(_ context.Context, file string) error {
		built++
		data, err := os.ReadFile(input)
		g.Expect(err).NotTo(HaveOccurred())
		return os.WriteFile(file, append([]byte("of "), data...), 0o644)
	}
	cached := func(kind string) *os.File {
		file, err := Cached(t.Context(), cache, kind, []string{input}, build)
		g.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(func() { g.Expect(file.Close()).To(Succeed()) })
		return file
	}
	readAll := func(file *os.File) string {
		data, err := io.ReadAll(file)
		g.Expect(err).NotTo(HaveOccurred())
		return string(data)
	}
	read := func(file string) string {
		data, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		return string(data)
	}
	put("one")
	opened := cached("pinlab")
	first := opened.Name()
	g.Expect(read(first)).To(Equal("of one"))
	g.Expect(cached("pinlab").Name()).To(Equal(first))
	g.Expect(built).To(Equal(1), "made once")
	more := cached("more").Name()
	g.Expect(filepath.Base(more)).To(HavePrefix("more-"))

	put("two")
	second := cached("pinlab").Name()
	g.Expect(second).NotTo(Equal(first))
	g.Expect(read(second)).To(Equal("of two"))
	g.Expect(first).NotTo(BeAnExistingFile(), "the older one is removed")
	g.Expect(readAll(opened)).To(Equal("of one"), "but stays for those who have it open")
	g.Expect(more).To(BeAnExistingFile(), "another kind is not")
	left, err := filepath.Glob(filepath.Join(cache, "building-*"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(BeEmpty())
}

func TestCachedFails(t *testing.T) {
	g := NewWithT(t)
	cache, input := t.TempDir(), filepath.Join(t.TempDir(), "binary")
	g.Expect(os.WriteFile(input, nil, 0o755)).To(Succeed())
	_, err := Cached(t.Context(), cache, "pinlab", []string{input}, func(_ context.Context, file string) error {
		g.Expect(os.WriteFile(file, []byte("half"), 0o644)).To(Succeed())
		return errors.New("no space left")
	})
	g.Expect(err).To(MatchError(ContainSubstring("no space left")))
	left, err := filepath.Glob(filepath.Join(cache, "*pinlab*"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(BeEmpty())
	_, err = Cached(t.Context(), cache, "pinlab", []string{input + "-not-there"}, nil)
	g.Expect(err).To(MatchError(os.ErrNotExist))
	_, err = Cached(t.Context(), filepath.Join(cache, "no such directory"), "pinlab", []string{input}, nil)
	g.Expect(err).To(MatchError(os.ErrNotExist))
}

// Two that want the same file at once: one makes it, the other waits.
func TestCachedAtOnce(t *testing.T) {
	g := NewWithT(t)
	cache, input := t.TempDir(), filepath.Join(t.TempDir(), "binary")
	g.Expect(os.WriteFile(input, nil, 0o755)).To(Succeed())
	built := make(chan struct{}, 9)
	files := make(chan string)
	for range 3 {
		go func() {
			file, err := Cached(context.Background(), cache, "pinlab", []string{input}, func(_ context.Context, file string) error {
				built <- struct{}{}
				return os.WriteFile(file, nil, 0o644)
			})
			if err != nil {
				files <- err.Error()
				return
			}
			files <- file.Name()
			_ = file.Close()
		}()
	}
	first := <-files
	g.Expect(first).To(BeAnExistingFile())
	g.Expect(<-files).To(Equal(first))
	g.Expect(<-files).To(Equal(first))
	g.Expect(built).To(HaveLen(1))
}

// Whatever goes into an image is in its key.
func TestHash(t *testing.T) {
	g := NewWithT(t)
	keys := map[string]string{}
	for name, key := range map[string]string{
		"as it is":        hash([]string{"runc 1.1", "libc6 2.36"}, []byte("module x"), []byte("sums")),
		"another package": hash([]string{"runc 1.2", "libc6 2.36"}, []byte("module x"), []byte("sums")),
		"one less":        hash([]string{"runc 1.1"}, []byte("module x"), []byte("sums")),
		"another go.mod":  hash([]string{"runc 1.1", "libc6 2.36"}, []byte("module y"), []byte("sums")),
		"another go.sum":  hash([]string{"runc 1.1", "libc6 2.36"}, []byte("module x"), []byte("sum")),
		"moved border":    hash([]string{"runc 1.1", "libc6 2.36"}, []byte("module xs"), []byte("ums")),
		"joined sources":  hash([]string{"runc 1.1libc6 2.36"}, []byte("module x"), []byte("sums")),
	} {
		g.Expect(key).To(HaveLen(16))
		g.Expect(keys).NotTo(HaveKey(key), "%s is as %s", name, keys[key])
		keys[key] = name
	}
	g.Expect(hash(sources([]debPackage{{"runc", "1.1"}}))).To(Equal(hash([]string{"runc 1.1", "containerd " + ContainerdVersion})))
}

func TestKubeletVersion(t *testing.T) {
	g := NewWithT(t)
	mod, err := os.ReadFile("../../../go.mod")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(KubeletVersion(mod)).To(HavePrefix("v1."))
	g.Expect(KubeletVersion([]byte("module x\nrequire k8s.io/kubernetes v1.37.2 // indirect\n"))).To(Equal("v1.37.2"))
	g.Expect(KubeletVersion([]byte("module x\nrequire k8s.io/kubernetes-not v1.0.0\n"))).To(BeEmpty())
	g.Expect(KubeletVersion([]byte("{"))).To(BeEmpty())
}

func TestTakeKernel(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	_, _, err := takeKernel(root)
	g.Expect(err).To(MatchError(ContainSubstring("0 kernels")))
	g.Expect(os.MkdirAll(filepath.Join(root, "boot"), 0o755)).To(Succeed())
	file := filepath.Join(root, "boot", "vmlinuz-6.1.0-49-cloud-amd64")
	g.Expect(os.WriteFile(file, nil, 0o644)).To(Succeed())
	kernel, release, err := takeKernel(root)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(kernel).To(Equal(file))
	g.Expect(release).To(Equal("6.1.0-49-cloud-amd64"))
	g.Expect(os.WriteFile(file+"-more", nil, 0o644)).To(Succeed())
	_, _, err = takeKernel(root)
	g.Expect(err).To(MatchError(ContainSubstring("2 kernels")))
}

// A module that the kernel has built in is not looked for.
func TestModuleOrderBuiltin(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	base := filepath.Join(root, "lib/modules/6.1")
	g.Expect(os.MkdirAll(base, 0o755)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(base, "modules.builtin"), []byte("kernel/drivers/virtio/virtio-blk.ko\nkernel/fs/overlayfs/overlay.ko\n"), 0o644)).To(Succeed())
	g.Expect(moduleOrder(root, "6.1", []string{"virtio_blk", "overlay"})).To(BeEmpty())
	_, err := moduleOrder(root, "6.1", []string{"lay"})
	g.Expect(err).To(MatchError(ContainSubstring("no module lay")))
	g.Expect(os.WriteFile(filepath.Join(base, "lay.ko"), []byte("no ELF"), 0o644)).To(Succeed())
	_, err = moduleOrder(root, "6.1", []string{"lay"})
	g.Expect(err).To(HaveOccurred())
}

func TestRun(t *testing.T) {
	g := NewWithT(t)
	g.Expect(output(t.Context(), t.TempDir(), []string{"X=y"}, "sh", "-c", "echo $X")).To(Equal("y\n"))
	err := run(t.Context(), "", nil, "sh", "-c", "seq 20 >&2; exit 3")
	g.Expect(err).To(MatchError(And(ContainSubstring("exit status 3"), HaveSuffix("13\n14\n15\n16\n17\n18\n19\n20"))))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.Expect(run(ctx, "", nil, "sleep", "60")).To(MatchError(context.Canceled))
}

// A compiler is the grandchild of a pinlab that is killed.
func TestGrandchildrenEnd(t *testing.T) {
	g := NewWithT(t)
	const name = "PINLAB_TEST_GRANDCHILD"
	if file := os.Getenv(name); file != "" {
		g.Expect(run(t.Context(), "", nil, "sh", "-c", `sleep 300 & echo $! > "$0.new"; mv "$0.new" "$0"; wait`, file)).To(Succeed())
		return
	}
	file := filepath.Join(t.TempDir(), "pid")
	parent := exec.Command(os.Args[0], "-test.run", "TestGrandchildrenEnd")
	parent.Env = append(os.Environ(), name+"="+file)
	g.Expect(parent.Start()).To(Succeed())
	g.Eventually(func() ([]byte, error) { return os.ReadFile(file) }).WithTimeout(20 * time.Second).ShouldNot(BeEmpty())
	data, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(parent.Process.Kill()).To(Succeed())
	_ = parent.Wait()
	status := filepath.Join("/proc", strings.TrimSpace(string(data)), "status")
	g.Eventually(func() string { // a zombie has ended, whoever is to reap it
		text, _ := os.ReadFile(status)
		if strings.Contains(string(text), "State:\tZ") {
			return ""
		}
		return string(text)
	}).WithTimeout(20 * time.Second).Should(BeEmpty())
}

// What ends by itself leaves nothing running in the background either.
func TestBackgroundEnds(t *testing.T) {
	g := NewWithT(t)
	pid, err := output(t.Context(), "", nil, "sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!")
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() string {
		text, _ := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(pid), "stat"))
		if strings.Contains(string(text), ") Z ") {
			return ""
		}
		return string(text)
	}).WithTimeout(20 * time.Second).Should(BeEmpty())
}

func TestNeedsDebian(t *testing.T) {
	g := NewWithT(t)
	g.Expect(needsDebian("Ubuntu 24.04.1 LTS")).To(And(ContainSubstring("Ubuntu 24.04.1 LTS"), ContainSubstring("debian:trixie")))
	g.Expect(needsDebian("Debian GNU/Linux 13 (trixie)")).To(ContainSubstring("apt-get update"))
}

// Programs' output is read, so they speak the language it is read in.
func TestLanguage(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	g.Expect(output(t.Context(), "", nil, "sh", "-c", "echo $LC_ALL")).To(Equal("C\n"))
}

func TestLastLines(t *testing.T) {
	g := NewWithT(t)
	g.Expect(lastLines("a\nb\nc\n", 2)).To(Equal("b\nc"))
	g.Expect(lastLines("a", 2)).To(Equal("a"))
	g.Expect(lastLines("", 2)).To(BeEmpty())
}

func TestTool(t *testing.T) {
	g := NewWithT(t)
	g.Expect(tool("sh")).To(HaveSuffix("/sh"))
	g.Expect(tool("no-such-program")).To(Equal("no-such-program"))
}
