package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"github.com/pinlab/pinlab/e2e/verify"
	"github.com/pinlab/pinlab/hwprofiles"
)

// readOnly is the name under which the test binary is a pinlab that can write
// nowhere: readOnly TMPFS ROOT ARGS..., where TMPFS is a directory for a file
// system in memory, "-" for none.
const readOnly = "pinlab-read-only"

// cannot is the exit code of a machine that does not let its mounts be changed.
const cannot = 77

// runReadOnly makes every mount of its own namespace read-only and becomes
// pinlab.
func runReadOnly() {
	place, root, args := os.Args[1], os.Args[2], os.Args[3:]
	fail := func(code int, what string, err error) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(code)
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		fail(cannot, "read-only mounts", err)
	}
	if err := os.WriteFile(filepath.Join(root, "probe"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		fail(2, "a file below the root", fmt.Errorf("is not refused: %v", err))
	}
	if place != "-" {
		if err := unix.Mount("tmpfs", place, "tmpfs", 0, ""); err != nil {
			fail(cannot, "file system in memory", err)
		}
		if err := os.Setenv("TMPDIR", place); err != nil {
			fail(2, "TMPDIR", err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		fail(2, "pinlab", err)
	}
	err = syscall.Exec(self, append([]string{"pinlab"}, args...), os.Environ())
	fail(2, "pinlab", err)
}

// goodTree makes the node of the script verify.txtar.
func goodTree(t *testing.T) string {
	g := NewWithT(t)
	root := filepath.Join(t.TempDir(), "host")
	p, err := hwprofiles.Load("generic-2s4c-smt2")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(hwprofiles.WriteSysfs(p, root)).To(Succeed())
	archive, err := txtar.ParseFile(filepath.Join("testdata", "script", "verify.txtar"))
	g.Expect(err).NotTo(HaveOccurred())
	archive.Files = append(archive.Files, txtar.File{Name: "files/proc/50/cmdline", Data: []byte("/usr/bin/kubelet\x00--config=/etc/kubelet.yaml\x00")})
	for _, f := range archive.Files {
		name, ok := strings.CutPrefix(f.Name, "files/")
		if !ok {
			continue
		}
		full := filepath.Join(root, name)
		g.Expect(os.MkdirAll(filepath.Dir(full), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(full, f.Data, 0o600)).To(Succeed())
	}
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	g.Expect(os.Chtimes(filepath.Join(root, "var/lib/kubelet/cpu_manager_state"), long, long)).To(Succeed())
	return root
}

// TestVerifyReadOnly audits a node where nothing at all can be written: the
// whole file system, the node's included, is read-only.
func TestVerifyReadOnly(t *testing.T) {
	g := NewWithT(t)
	root := goodTree(t)
	self, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	audit := func(namespace bool, name string, args ...string) *verify.Report {
		t.Helper()
		cmd := exec.Command(self)
		cmd.Args = append(append([]string{name}, args...), "verify", "--root", root, "-o", "json")
		if namespace {
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		}
		var out, problems bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &problems
		err := cmd.Run()
		var exit *exec.ExitError
		if errors.Is(err, unix.EPERM) || errors.As(err, &exit) && exit.ExitCode() == cannot {
			text := fmt.Sprintf("NOT RUN: that 'pinlab verify' writes nothing was not tried on a read-only file system; run it as root with CAP_SYS_ADMIN: %v %s", err, &problems)
			if os.Getenv("REQUIRE_LAB") == "1" {
				t.Fatal(text)
			}
			t.Skip(text)
		}
		g.Expect(err).NotTo(HaveOccurred(), problems.String())
		g.Expect(problems.String()).To(BeEmpty())
		r := &verify.Report{}
		g.Expect(json.Unmarshal(out.Bytes(), r)).To(Succeed())
		return r
	}
	before := everything(t, root)
	want := audit(false, "pinlab")
	g.Expect(want.Starts).To(ConsistOf(HaveField("Result", verify.Starts)))
	g.Expect(everything(t, root)).To(Equal(before))

	// With a place of its own the whole report is the same.
	place := t.TempDir()
	g.Expect(audit(true, readOnly, place, root)).To(Equal(want))

	// With none the kubelet's code is not asked, and the rest is the same.
	t.Setenv("TMPDIR", place)
	got := audit(true, readOnly, "-", root)
	g.Expect(got.Starts).To(ConsistOf(And(HaveField("Result", verify.Unchecked), HaveField("Unchecked", ContainSubstring("read-only file system")))))
	// That answer is where the reserved CPUs are from, which the file says here.
	got.Starts = want.Starts
	g.Expect(got).To(Equal(want))
	g.Expect(everything(t, root)).To(Equal(before))
	left, err := os.ReadDir(place)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(BeEmpty())
}

// everything is all that a write to a tree would change, in its directories too.
func everything(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		out[name] = fmt.Sprint(st.Ino, st.Mode, st.Uid, st.Gid, st.Size, st.Mtim, st.Ctim)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
