package hwprofiles

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"k8s.io/utils/cpuset"
)

// OpenSysroot opens a directory as the root of a machine's files. Links that
// lead out of the directory are not followed; Detect takes such files for
// missing. Close it after use.
func OpenSysroot(dir string) (fs.FS, io.Closer, error) {
	info, err := os.Stat(dir) // opening a FIFO would wait for a writer
	if err != nil {
		return nil, nil, err
	}
	if !info.IsDir() {
		return nil, nil, fmt.Errorf("%s is not a directory; want the root directory of a machine, or a copy of its /sys and /proc", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	return root.FS(), root, nil
}

// How much of a file is read. The largest is the cpuinfo of thousands of CPUs.
const (
	maxSysfsFile = 1 << 20
	maxCPUInfo   = 64 << 20
)

// tree reads the files of a machine. Its paths are relative to fsys.
type tree struct {
	fsys fs.FS
	sys  string // where sysfs is: "sys", or "." when fsys is a sysfs itself
	// sets remembers the lists and masks read so far. Large machines repeat
	// the same few in the files of every CPU.
	sets map[string]namedSet
}

// namedSet is a set with its text, which is costly to make anew.
type namedSet struct {
	cpuset.CPUSet
	text string
}

// openTree finds the sysfs in fsys.
func openTree(fsys fs.FS) (*tree, error) {
	for _, sys := range []string{"sys", "."} {
		t := &tree{fsys: fsys, sys: sys, sets: map[string]namedSet{}}
		if info, err := fs.Stat(fsys, t.path("devices/system/cpu")); err == nil && info.IsDir() {
			return t, nil
		}
	}
	t := &tree{fsys: fsys, sys: "sys", sets: map[string]namedSet{}}
	if _, ok, err := t.read("proc/cpuinfo", maxCPUInfo); ok || err != nil {
		return t, err
	}
	return nil, errors.New("no sys/devices/system/cpu here; want the root directory of a machine, or a copy of its /sys and /proc")
}

func (t *tree) path(name string) string { return path.Join(t.sys, name) }

func (t *tree) cpuDir() string  { return t.path("devices/system/cpu") }
func (t *tree) nodeDir() string { return t.path("devices/system/node") }

// read returns a file's text, and whether there is one. Files that cannot be
// reached, as behind links that lead nowhere or out of the root, are missing.
// Only a regular file is opened: a FIFO would wait for a writer.
func (t *tree) read(name string, most int64) (string, bool, error) {
	info, err := fs.Stat(t.fsys, name)
	if err == nil && !info.Mode().IsRegular() {
		return "", false, fmt.Errorf("%s is not a regular file", name)
	}
	var f fs.File
	if err == nil {
		f, err = t.fsys.Open(name)
	}
	if err != nil {
		if unreachable(err) {
			return "", false, nil
		}
		return "", false, fmt.Errorf("%s: %w", name, bare(err))
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil && unreachable(err):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("%s: %w", name, bare(err))
	case int64(len(data)) > most:
		return "", false, fmt.Errorf("%s has more than %d bytes; this is no file of a kernel", name, most)
	}
	return string(data), true, nil
}

// unreachable tells a file that is not there from one that cannot be read.
func unreachable(err error) bool {
	for _, missing := range []error{fs.ErrNotExist, fs.ErrInvalid, syscall.ENOTDIR, syscall.ELOOP, syscall.ENODEV, syscall.ENXIO, syscall.EINVAL} {
		if errors.Is(err, missing) {
			return true
		}
	}
	// os.Root has no exported error for a link that leads out of it.
	return strings.Contains(err.Error(), "path escapes from parent")
}

// bare drops the path from an error that is given one anyway.
func bare(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// padding may follow the text of a file: old kernels ended some lists with a
// NUL, and copies made with the size of a page are filled up with them.
const padding = "\x00 \t\r\n"

// text returns a sysfs file without surrounding white space. An empty file
// counts as missing: copies of a sysfs often hold them.
func (t *tree) text(name string) (string, bool, error) {
	s, ok, err := t.read(name, maxSysfsFile)
	if err != nil || !ok {
		return "", false, err
	}
	s = strings.TrimRight(s, padding)
	if i := strings.IndexFunc(s, func(r rune) bool { return r == 0 || r == '\uFFFD' }); i >= 0 {
		return "", false, fmt.Errorf("%s holds binary data; want text", name)
	}
	s = strings.TrimSpace(s)
	return s, s != "", nil
}

// number reads a file with one number; missing tells that there is no file,
// for which the number is None.
func (t *tree) number(name string) (n int, missing bool, err error) {
	s, ok, err := t.text(name)
	if err != nil || !ok {
		return None, true, err
	}
	n, err = strconv.Atoi(s)
	if err != nil {
		return None, false, fmt.Errorf("%s: %q is no number", name, clip(s))
	}
	return max(n, None), false, nil
}

// list reads a file in list notation.
func (t *tree) list(name string) (namedSet, bool, error) { return t.set(name, "list ", ParseCPUList) }

// mask reads a file in mask notation.
func (t *tree) mask(name string) (namedSet, bool, error) { return t.set(name, "mask ", ParseCPUMask) }

func (t *tree) set(name, notation string, parse func(string) (cpuset.CPUSet, error)) (namedSet, bool, error) {
	text, ok, err := t.text(name)
	if err != nil || !ok {
		return namedSet{}, false, err
	}
	if known, ok := t.sets[notation+text]; ok {
		return known, true, nil
	}
	set, err := parse(text)
	if err != nil {
		return namedSet{}, false, fmt.Errorf("%s: %w", name, err)
	}
	named := namedSet{set, set.String()}
	t.sets[notation+text] = named
	return named, true, nil
}

// textWith is the set's text, with one CPU added if need be.
func (s namedSet) textWith(cpu int) string {
	if s.Contains(cpu) {
		return s.text
	}
	return s.Union(cpuset.New(cpu)).String()
}

// cpus reads the first set there is of the named files in a directory. For
// each name, list and mask say the same on a live system; where they differ in
// a copy the mask counts, as with lscpu, hwloc and cadvisor, unless it leaves
// out a CPU that has to be in it.
func (t *tree) cpus(dir string, must int, names ...[2]string) (namedSet, bool, error) {
	for _, name := range names {
		mask, hasMask, err := t.mask(path.Join(dir, name[1]))
		if err != nil {
			return namedSet{}, false, err
		}
		if hasMask && (must == None || mask.Contains(must)) {
			return mask, true, nil
		}
		list, hasList, err := t.list(path.Join(dir, name[0]))
		switch {
		case err != nil:
			return namedSet{}, false, err
		case hasList && (!hasMask || list.Contains(must)):
			return list, true, nil
		case hasMask:
			return mask, true, nil
		}
	}
	return namedSet{}, false, nil
}

// numbered returns the numbers of the entries named prefix0, prefix1 … in a
// directory, in ascending order.
func (t *tree) numbered(dir, prefix string) ([]int, error) {
	names, err := t.names(dir)
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, prefix)
		if !ok || digits == "" || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		id, err := strconv.Atoi(digits)
		if err != nil || id > maxID || strconv.Itoa(id) != digits {
			return nil, fmt.Errorf("%s/%s: no kernel has such a number; the largest is %d", dir, name, maxID)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, nil
}

// names lists a directory; a missing one is empty, and so is what is none.
func (t *tree) names(dir string) ([]string, error) {
	if info, err := fs.Stat(t.fsys, dir); err == nil && !info.IsDir() {
		return nil, nil
	}
	entries, err := fs.ReadDir(t.fsys, dir)
	if err != nil {
		if unreachable(err) || strings.Contains(err.Error(), "not a directory") {
			return nil, nil
		}
		return nil, fmt.Errorf("%s: %w", dir, bare(err))
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}
