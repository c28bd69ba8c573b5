package kind

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/node"
)

// Logs are the files that kind collects of a cluster.
type Logs struct {
	// Tar is a compressed archive.
	Tar []byte
	// Short are the files of which the beginning, or all, was left out.
	Short []string
}

const (
	// maxLogFile bounds what is taken of a file, its end, and maxLogs what is
	// taken of all, in bytes before compression.
	maxLogFile = 4 << 20
	maxLogs    = 64 << 20
	// logsTime bounds the collecting. On an emulated machine it takes minutes.
	logsTime = 10 * time.Minute
)

var (
	errMaking = errors.New("the cluster is still being made")
	errNoLogs = errors.New("the cluster has left no logs")
)

// packLogs puts a directory into an archive, within the bounds.
func packLogs(dir string) (Logs, error) {
	var logs Logs
	var data bytes.Buffer
	z := gzip.NewWriter(&data)
	w := tar.NewWriter(z)
	left := int64(maxLogs)
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		text, whole, err := tail(file, min(maxLogFile, left))
		if err != nil {
			return err
		}
		if !whole {
			logs.Short = append(logs.Short, filepath.ToSlash(name))
		}
		if len(text) == 0 && !whole {
			return nil
		}
		left -= int64(len(text))
		if err := w.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}); err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	if err := errors.Join(err, w.Close(), z.Close()); err != nil {
		return Logs{}, err
	}
	logs.Tar = data.Bytes()
	return logs, nil
}

// tail is the end of a file, and whether that is all of it.
func tail(file string, most int64) (text []byte, whole bool, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	from := max(0, st.Size()-most)
	text, err = io.ReadAll(io.NewSectionReader(f, from, st.Size()-from))
	return text, from == 0, err
}

// unpackLogs writes what packLogs has packed into a directory.
func unpackLogs(data []byte, dir string) error {
	root, err := os.OpenRoot(dir) // whatever the names are, it is below this
	if err != nil {
		return err
	}
	defer root.Close()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := root.MkdirAll(path.Dir(h.Name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(h.Name, text, 0o644); err != nil {
			return err
		}
	}
}

// KeepRelayed fetches the logs of the cluster behind a relay, and keeps them
// where those of other clusters are: with its machine they would be gone.
func KeepRelayed(relay node.Caller, say func(string)) {
	say("collecting the logs of the cluster in the machine")
	dir, err := keepRelayed(relay, "", say)
	if err != nil {
		say(fmt.Sprintf("no logs of the cluster could be kept: %v", err))
		return
	}
	say("the logs of the cluster are in " + dir)
}

// keepRelayed keeps them below a directory; an empty one is the usual.
func keepRelayed(relay node.Caller, below string, say func(string)) (string, error) {
	if below == "" {
		var err error
		if below, err = usualDir(); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), logsTime)
	defer cancel()
	var logs Logs
	if err := relay.Call(ctx, "Logs", agent.None{}, &logs); err != nil {
		return "", err
	}
	if err := os.MkdirAll(below, 0o755); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(below, "logs-in-lab-")
	if err != nil {
		return "", err
	}
	for _, name := range logs.Short {
		say(fmt.Sprintf("of the log %s only the end was kept, or nothing: it is too long", name))
	}
	return dir, unpackLogs(logs.Tar, dir)
}
