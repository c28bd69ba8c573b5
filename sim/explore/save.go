package explore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// CheckDir says whether findings can be saved in a directory: it must be empty, or
// not be there yet. The empty name is no directory at all, and fine.
func CheckDir(dir string) error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; want a new or empty directory", dir)
	}
	return nil
}
