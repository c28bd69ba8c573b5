package cgroup

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

// Files reads the files of a machine below the directory where its file system
// is. Links are followed as the machine itself would follow them: an absolute
// one begins at that directory. Nothing it is shown makes it wait or fills the
// memory: only regular files are read, and of those no more than MaxFile.
type Files struct{ Root string }

const (
	// MaxFile is the size of the largest file that is read.
	MaxFile  = 16 << 20
	maxLinks = 40
)

// ErrNotRegular says that a name is something that must not be opened: a FIFO
// would wait for a writer.
var ErrNotRegular = errors.New("not a regular file")

// Resolve finds the file that a name of the machine stands for.
func (f Files) Resolve(name string) (string, error) {
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
		st, err := os.Lstat(filepath.Join(f.Root, next))
		if err != nil {
			return "", Cause(err)
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", errors.New("too many links")
		}
		to, err := os.Readlink(filepath.Join(f.Root, next))
		if err != nil {
			return "", Cause(err)
		}
		if path.IsAbs(to) {
			done = "/"
		}
		left = append(strings.Split(to, "/"), left...)
	}
	return filepath.Join(f.Root, done), nil
}

// Name is what a file found by Resolve is called on the machine.
func (f Files) Name(full string) string {
	rel, err := filepath.Rel(f.Root, full)
	if err != nil {
		return full
	}
	return path.Join("/", filepath.ToSlash(rel))
}

// Read reads a regular file. The error has no path in it.
func (f Files) Read(name string) ([]byte, error) {
	full, err := f.Resolve(name)
	if err != nil {
		return nil, err
	}
	return read(full)
}

// List lists the names in a directory.
func (f Files) List(dir string) ([]fs.DirEntry, error) {
	full, err := f.Resolve(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(full)
	return entries, Cause(err)
}

// readIn reads a file of a directory that was resolved: a link is the exception
// there, and only then is the name resolved again.
func (f Files) readIn(dir, name string) ([]byte, error) {
	full := filepath.Join(dir, name)
	data, err := read(full)
	if errors.Is(err, unix.ELOOP) {
		return f.Read(f.Name(full))
	}
	return data, err
}

func read(full string) ([]byte, error) {
	file, err := os.OpenFile(full, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, Cause(err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, Cause(err)
	}
	if !st.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	if st.Size() > MaxFile {
		return nil, tooLarge()
	}
	data, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err != nil {
		return nil, Cause(err)
	}
	if len(data) > MaxFile {
		return nil, tooLarge()
	}
	return data, nil
}

func tooLarge() error { return fmt.Errorf("larger than %d MiB", MaxFile>>20) }

// Cause is an error without the path, which what stands beside it says.
func Cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
