package agent

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Image is the one image of the node: busybox. Every container and sandbox runs
// it, whatever image a manifest names.
const Image = imageAddress + "/pinlab/busybox:1"

// exitFile is where a container's script reads its exit code from.
const exitFile = "/tmp/exit"

// WaitCommand is what a container runs: it waits for ever, ends with 0 when it
// is asked to, and with any code when the agent says so.
func WaitCommand() []string {
	return []string{"/bin/sh", "-c", `trap 'exit 0' TERM; trap 'exit $(cat ` + exitFile + `)' USR1; while :; do sleep 1000 & wait $!; done`}
}

// ExitCommand is what an init container runs that completes by itself.
func ExitCommand() []string { return []string{"/bin/true"} }

// serveImage serves the image from a registry on the loopback interface.
func serveImage() error {
	listener, err := net.Listen("tcp", imageAddress)
	if err != nil {
		return err
	}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	go func() { _ = http.Serve(listener, handler) }()
	img, err := busyboxImage("/bin/busybox")
	if err != nil {
		return err
	}
	ref, err := name.ParseReference(Image)
	if err != nil {
		return err
	}
	return remote.Write(ref, img)
}

// busyboxImage makes an image of one layer of a static busybox.
func busyboxImage(path string) (v1.Image, error) {
	files := []LayerFile{{Name: "bin/busybox", Source: path}}
	for _, applet := range programs() {
		files = append(files, LayerFile{Name: "bin/" + applet, Link: "busybox"})
	}
	return ImageOf(files)
}

// programs are what the commands of containers need.
func programs() []string { return []string{"sh", "sleep", "cat", "true"} }

// LayerFile is a file of an image: a copy of a file of this machine, or a
// symbolic link.
type LayerFile struct{ Name, Source, Link string }

// ImageOf makes an image of one layer.
func ImageOf(files []LayerFile) (v1.Image, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	made := map[string]bool{}
	mkdir := func(dir string) error {
		if made[dir] {
			return nil
		}
		made[dir] = true
		return w.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o777})
	}
	for _, dir := range []string{"bin", "etc", "tmp", "proc", "sys", "dev"} {
		if err := mkdir(dir); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		for i, r := range f.Name {
			if r == '/' {
				if err := mkdir(f.Name[:i]); err != nil {
					return nil, err
				}
			}
		}
		if err := f.write(w); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	}, tarball.WithCompressionLevel(1))
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: runtime.GOARCH, OS: "linux", RootFS: v1.RootFS{Type: "layers", DiffIDs: diffID(l)},
		Config: v1.Config{Cmd: []string{"/bin/sleep", "2147483647"}, Env: []string{"PATH=/bin"}},
	})
}

func (f LayerFile) write(w *tar.Writer) error {
	if f.Link != "" {
		return w.WriteHeader(&tar.Header{Name: f.Name, Typeflag: tar.TypeSymlink, Linkname: f.Link, Mode: 0o777})
	}
	data, err := os.ReadFile(f.Source)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: f.Name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

func diffID(l v1.Layer) []v1.Hash {
	id, err := l.DiffID()
	if err != nil {
		return nil
	}
	return []v1.Hash{id}
}
