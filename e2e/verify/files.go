package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Unread is something that could not be read. Nothing is concluded from it.
type Unread struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// files reads the files of a machine below the directory where its file system
// is. Links are followed as the machine itself would follow them: an absolute
// one begins at that directory.
type files struct{ root string }

const (
	maxFile  = 16 << 20
	maxLinks = 40
)

// errNotRegular says that a name is something that must not be opened: a FIFO
// would wait for a writer.
var errNotRegular = errors.New("not a regular file")

// resolve finds the file that a name of the machine stands for.
func (f files) resolve(name string) (string, error) {
	left, done := strings.Split(path.Clean("/"+name), "/"), "/"
	for links := 0; len(left) > 0; {
		part := left[0]
		left = left[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, part)
		st, err := os.Lstat(filepath.Join(f.root, next))
		if err != nil {
			return "", cause(err)
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", errors.New("too many links")
		}
		to, err := os.Readlink(filepath.Join(f.root, next))
		if err != nil {
			return "", cause(err)
		}
		if path.IsAbs(to) {
			done = "/"
		}
		left = append(strings.Split(to, "/"), left...)
	}
	return filepath.Join(f.root, done), nil
}

// read reads a regular file. The error has no path in it.
func (f files) read(name string) ([]byte, error) {
	full, err := f.resolve(name)
	if err != nil {
		return nil, err
	}
	return readFile(full)
}

func readFile(name string) ([]byte, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, cause(err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, cause(err)
	}
	if !st.Mode().IsRegular() {
		return nil, errNotRegular
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, cause(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	return data, nil
}

// list lists the names in a directory.
func (f files) list(dir string) ([]fs.DirEntry, error) {
	full, err := f.resolve(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(full)
	return entries, cause(err)
}

// cause is an error without the path, which what stands beside it says.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// gone says that a process ended while it was looked at.
func gone(err error) bool { return missing(err) || errors.Is(err, unix.ESRCH) }

// procfs says whether a directory is a procfs of the kernel, whose links lead
// where a process sees them, and not a copy of one.
func procfs(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.PROC_SUPER_MAGIC
}
