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

// Cached returns the file of this kind that was made from these input files,
// and makes it when it is not there. Older files of the kind are removed.
func Cached(ctx context.Context, cache, kind string, inputs []string, build func(ctx context.Context, file string) error) (string, error) {
	h := sha256.New()
	for _, in := range inputs {
		f, err := os.Open(in)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	file := filepath.Join(cache, kind+"-"+hex.EncodeToString(h.Sum(nil))[:16]+".ext4")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	// A machine that uses an older one has it open.
	older, err := filepath.Glob(filepath.Join(cache, kind+"-*.ext4"))
	if err != nil {
		return "", err
	}
	for _, o := range older {
		if err := os.Remove(o); err != nil {
			return "", err
		}
	}
	part := filepath.Join(cache, "building-"+kind)
	if err := build(ctx, part); err != nil {
		return "", errors.Join(err, os.Remove(part))
	}
	return file, os.Rename(part, file)
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
