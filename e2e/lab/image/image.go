// Package image makes what the lab's machines boot: a Linux kernel and its
// modules, busybox, runc and libc from Debian's packages, a kubelet built from
// pinlab's own go.mod, and a containerd from its module. Nothing is taken from
// a registry of images, nothing needs a mount, and nothing is done by hand.
//
// Images are kept in the user's cache directory under a hash of all that went
// into them.
package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Image is a machine image: files that several machines may use at once, none
// of them for writing.
type Image struct {
	Kernel string // vmlinuz
	Initrd string // an initramfs that mounts Root and switches to it
	Root   string // an ext4 file system, raw
	// Sources says what is in it, one "name version" a line.
	Sources []string
}

// Options say where to build.
type Options struct {
	// Cache is the directory that images are kept in; empty means pinlab/lab in
	// the user's cache directory.
	Cache string
	// Say is told what is being done, one line at a time; nil is silent.
	Say func(string)
	// GoMod and GoSum are the module files that the kubelet is built with.
	GoMod, GoSum []byte
	// Kind makes a machine for kind instead: with a container engine that has a
	// node image, and no kubelet of its own. To build it takes root.
	Kind bool

	temp string // for what is built
}

// goEnv is the environment that Go programs are built in.
func (o Options) goEnv(more ...string) []string {
	return append([]string{"GOFLAGS=", "GOTMPDIR=" + o.temp}, more...)
}

func (o Options) say(format string, args ...any) {
	if o.Say != nil {
		o.Say(fmt.Sprintf(format, args...))
	}
}

// CacheDir is where images are kept unless Options say otherwise.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory for lab images: %w", err)
	}
	return filepath.Join(dir, "pinlab", "lab"), nil
}

// Build returns the image for these inputs, from the cache when it is there.
// Two processes that build the same image at once do the work once.
func Build(ctx context.Context, o Options) (*Image, error) {
	if o.Cache == "" {
		var err error
		if o.Cache, err = CacheDir(); err != nil {
			return nil, err
		}
	}
	if o.Kind {
		o.Cache = filepath.Join(o.Cache, "kind") // nobody shall wait for it who wants the other
	}
	if err := Requirements(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Cache, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lock(filepath.Join(o.Cache, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	// Left by a process that was killed: the lock says nobody works here.
	stale, _ := filepath.Glob(filepath.Join(o.Cache, "building-*"))
	for _, s := range stale {
		if err := os.RemoveAll(s); err != nil {
			return nil, err
		}
	}
	packages, err := resolve(ctx)
	if err != nil {
		return nil, err
	}
	sources, build := sources(packages), build
	key := hash(sources, o.GoMod, o.GoSum)
	if o.Kind {
		sources, build = append(sources, "kind "+KindVersion), buildKind
		key = hash(sources, append(kindInputs(), o.GoMod, o.GoSum)...)
	}
	dir := filepath.Join(o.Cache, "image-"+key)
	img := &Image{
		Kernel: filepath.Join(dir, "vmlinuz"), Initrd: filepath.Join(dir, "initrd"),
		Root: filepath.Join(dir, "root.ext4"), Sources: sources,
	}
	if _, err := os.Stat(dir); err == nil {
		return img, nil
	}
	work := filepath.Join(o.Cache, "building-"+key)
	defer os.RemoveAll(work)
	// What a compiler that was killed leaves is found there at the next start.
	if o.temp = filepath.Join(work, "tmp"); os.MkdirAll(o.temp, 0o755) != nil {
		return nil, fmt.Errorf("build the lab image: cannot make %s", o.temp)
	}
	if err := build(ctx, o, packages, work); err != nil {
		return nil, fmt.Errorf("build the lab image: %w", err)
	}
	if err := os.Rename(filepath.Join(work, "out"), dir); err != nil {
		return nil, err
	}
	return img, nil
}

// build makes the image's files in work/out.
func build(ctx context.Context, o Options, packages []debPackage, work string) error {
	root, out := filepath.Join(work, "root"), filepath.Join(work, "out")
	for _, dir := range []string{root, out} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	o.say("fetching %d Debian packages", len(packages))
	if err := fetch(ctx, packages, filepath.Join(work, "deb"), root); err != nil {
		return err
	}
	bin := filepath.Join(root, "usr/bin")
	o.say("building containerd %s (a few minutes the first time)", ContainerdVersion)
	if err := buildContainerd(ctx, o, bin); err != nil {
		return err
	}
	o.say("building the kubelet (a few minutes the first time)")
	if err := buildKubelet(ctx, o, filepath.Join(work, "mod"), bin); err != nil {
		return err
	}
	o.say("making the root file system")
	kernel, release, err := takeKernel(root)
	if err != nil {
		return err
	}
	if err := os.Rename(kernel, filepath.Join(out, "vmlinuz")); err != nil {
		return err
	}
	if err := writeInitrd(root, release, filepath.Join(out, "initrd")); err != nil {
		return err
	}
	if err := dropModules(root); err != nil {
		return err
	}
	if err := furnish(root, release, guestFiles()); err != nil {
		return err
	}
	return MakeFileSystem(ctx, root, filepath.Join(out, "root.ext4"), rootSize)
}

// rootSize is the size of the root file system in bytes. The file is sparse.
const rootSize = 3 << 30

// MakeFileSystem makes an ext4 file system of a directory in a file.
func MakeFileSystem(ctx context.Context, dir, file string, size int64) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return err
	}
	// No journal: the image is copied on write and a machine that is killed is
	// not booted from its disk again without a check.
	return run(ctx, "", nil, tool("mke2fs"), "-q", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0", "-m", "0", "-d", dir, file)
}

// Requirements says what programs are missing on this machine.
func Requirements() error {
	need := []struct{ program, pkg string }{
		{"apt-get", "apt"},
		{"apt-cache", "apt"},
		{"dpkg-deb", "dpkg"},
		{"mke2fs", "e2fsprogs"},
		{"go", "a Go toolchain, https://go.dev/dl"},
	}
	var missing []string
	for _, n := range need {
		if _, err := exec.LookPath(tool(n.program)); err != nil {
			missing = append(missing, fmt.Sprintf("%s (%s)", n.program, n.pkg))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the lab's image is made of Debian packages and Go modules; missing here: %s", strings.Join(missing, ", "))
	}
	return nil
}

// tool finds a program that is in an sbin directory, which users have not in
// their PATH.
func tool(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/go/bin"} {
		p := filepath.Join(dir, name)
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return name
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func lock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", file, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// hash is the key of an image: of all that its content is made from.
func hash(sources []string, parts ...[]byte) string {
	h := sha256.New()
	write := func(b []byte) { _, _ = fmt.Fprintf(h, "%d:", len(b)); _, _ = h.Write(b) }
	for _, s := range sources {
		write([]byte(s))
	}
	for _, p := range parts {
		write(p)
	}
	for _, f := range guestFiles() {
		write([]byte(f.path + f.content))
	}
	_, _ = io.WriteString(h, initScript+strings.Join(bootModules(), " "))
	return hex.EncodeToString(h.Sum(nil))[:16]
}
