package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/cavaliergopher/cpio"
)

// Cached opens the file of this kind that was made from these input files, and
// makes it when it is not there. Older files of the kind are removed: whoever
// uses one has it open.
func Cached(ctx context.Context, cache, kind string, inputs []string, build func(ctx context.Context, file string) error) (*os.File, error) {
	h := sha256.New()
	for _, in := range inputs {
		f, err := os.Open(in)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	file := filepath.Join(cache, kind+"-"+hex.EncodeToString(h.Sum(nil))[:16]+".ext4")
	if f, err := os.Open(file); err == nil {
		return f, nil
	}
	older, err := filepath.Glob(filepath.Join(cache, kind+"-*.ext4"))
	if err != nil {
		return nil, err
	}
	for _, o := range older {
		if err := os.Remove(o); err != nil {
			return nil, err
		}
	}
	part := filepath.Join(cache, "building-"+kind)
	if err := build(ctx, part); err != nil {
		return nil, errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, file); err != nil {
		return nil, err
	}
	return os.Open(file)
}

// WriteFirmware writes an uncompressed archive of files for the kernel's early
// boot, to be put in front of an initramfs.
func WriteFirmware(w io.Writer, files map[string][]byte) error {
	out := cpio.NewWriter(w)
	made := map[string]bool{}
	for name, data := range files {
		for i, r := range name {
			if r == '/' && !made[name[:i]] {
				made[name[:i]] = true
				if err := out.WriteHeader(&cpio.Header{Name: name[:i], Mode: cpio.TypeDir | 0o755}); err != nil {
					return err
				}
			}
		}
		if err := out.WriteHeader(&cpio.Header{Name: name, Mode: cpio.TypeReg | 0o644, Size: int64(len(data))}); err != nil {
			return err
		}
		if _, err := out.Write(data); err != nil {
			return err
		}
	}
	return out.Close()
}
