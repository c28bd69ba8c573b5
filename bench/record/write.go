package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Replaceable says whether a file may be written: there is none yet, or mine
// says of its content that it is of the same kind. It tries that a file can be
// made beside it, so that a long run does not end with an answer that has no
// place.
func Replaceable(file string, kind string, mine func(content []byte) bool) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return &FileError{File: file, Text: reason(err)}
	case info.IsDir():
		return &FileError{File: file, Text: "is a directory; want a file"}
	case !info.Mode().IsRegular():
		return nil // a pipe or a device loses nothing
	default:
		content, err := os.ReadFile(file)
		if err != nil {
			return &FileError{File: file, Text: reason(err)}
		}
		if len(content) > 0 && !mine(content) {
			return &FileError{File: file, Text: fmt.Sprintf("is no %s; it is not overwritten", kind)}
		}
	}
	probe, err := os.CreateTemp(filepath.Dir(file), ".pinlab-*")
	if err != nil {
		return &FileError{File: file, Text: "cannot be written: " + reason(err)}
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// Write puts content into a file, all of it or nothing.
func Write(file string, content []byte) error {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(file, content, 0o666)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".pinlab-*")
	if err != nil {
		return &FileError{File: file, Text: "cannot be written: " + reason(err)}
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return &FileError{File: file, Text: "cannot be written: " + reason(err)}
	}
	return nil
}
