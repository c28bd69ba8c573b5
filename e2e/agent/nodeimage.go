package agent

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// importImage makes the image of all containers out of the node's own programs
// and hands it to the node's container runtime. No registry is asked.
func importImage(ctx context.Context) error {
	var files []LayerFile
	for _, p := range programs() {
		need, err := programFiles("/bin/"+p, libraryDirs())
		if err != nil {
			return fmt.Errorf("the image of the node's programs: %w", err)
		}
		files = append(files, need...)
	}
	img, err := ImageOf(once(files))
	if err != nil {
		return err
	}
	tag, err := name.NewTag(Image)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp("", "pinlab-image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if err := errors.Join(tarball.Write(tag, img, f), f.Close()); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "ctr", "--namespace=k8s.io", "images", "import", f.Name()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("import the containers' image: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// once leaves out files that were named before.
func once(files []LayerFile) []LayerFile {
	var out []LayerFile
	seen := map[string]bool{}
	for _, f := range files {
		if !seen[f.Name] {
			seen[f.Name] = true
			out = append(out, f)
		}
	}
	return out
}

// libraryDirs are where the dynamic linker looks, in Debian's layout for any
// architecture and in others'.
func libraryDirs() []string {
	dirs := []string{"/lib", "/usr/lib", "/lib64", "/usr/lib64"}
	for _, pattern := range []string{"/lib/*-linux-gnu*", "/usr/lib/*-linux-gnu*"} {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, found...)
	}
	return dirs
}

// programFiles are the files that a program needs to run: itself, its dynamic
// linker, and the libraries that those need in turn.
func programFiles(program string, dirs []string) ([]LayerFile, error) {
	files := []LayerFile{{Name: strings.TrimPrefix(program, "/"), Source: program}}
	seen := map[string]bool{}
	var add func(file string) error
	add = func(file string) error {
		f, err := elf.Open(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		defer f.Close()
		if s := f.Section(".interp"); s != nil {
			data, err := s.Data()
			if err != nil {
				return err
			}
			linker := strings.TrimRight(string(data), "\x00")
			files = append(files, LayerFile{Name: strings.TrimPrefix(linker, "/"), Source: linker})
		}
		libraries, err := f.ImportedLibraries()
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, l := range libraries {
			if seen[l] {
				continue
			}
			seen[l] = true
			found, err := findLibrary(l, dirs)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			// The linker looks into /lib in every image.
			files = append(files, LayerFile{Name: "lib/" + l, Source: found})
			if err := add(found); err != nil {
				return err
			}
		}
		return nil
	}
	return files, add(program)
}

func findLibrary(library string, dirs []string) (string, error) {
	for _, dir := range dirs {
		file := filepath.Join(dir, library)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("no library %s in %s", library, strings.Join(dirs, ", "))
}
