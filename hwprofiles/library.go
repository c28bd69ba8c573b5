package hwprofiles

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

//go:embed profiles/*.yaml
var library embed.FS

// Names returns the names of the embedded profiles, sorted.
func Names() []string {
	entries, err := fs.ReadDir(library, "profiles")
	if err != nil {
		return nil // an embedded directory is always there
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Load returns an embedded profile. A profile's name is that of its file.
func Load(name string) (*Profile, error) {
	data, err := Source(name)
	if err != nil {
		return nil, err
	}
	return Parse(data, path.Join("profiles", name+".yaml"))
}

// Source returns the file of an embedded profile, comments and all.
func Source(name string) ([]byte, error) {
	if !isName(name) || !slices.Contains(Names(), name) {
		hint := "pinlab profile list names them all"
		if near := nearest(name, Names()); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return nil, fmt.Errorf("there is no profile %q; %s", clip(name), hint)
	}
	return fs.ReadFile(library, path.Join("profiles", name+".yaml"))
}

// Resolve finds a machine by what a user wrote: the name of an embedded
// profile, a path to a profile file (with a slash, or ending in .yaml or
// .yml), or a shape as ParseShape reads it.
func Resolve(ref string) (*Profile, error) {
	switch {
	case strings.TrimSpace(ref) == "":
		return nil, errors.New("no profile is named; want a name, a file, or a shape like sockets=2 cores=24")
	case NamesFile(ref):
		return ParseFile(ref)
	case strings.Contains(ref, "="):
		return ParseShape(ref)
	}
	return Load(strings.TrimSpace(ref))
}

// NamesFile says that Resolve takes a reference for the name of a file.
func NamesFile(ref string) bool {
	return strings.HasSuffix(ref, ".yaml") || strings.HasSuffix(ref, ".yml") ||
		strings.Contains(ref, "/") && !strings.Contains(ref, "=")
}

// ParseFile reads a profile file from disk. It waits for no writer of a FIFO:
// a profile is a regular file.
func ParseFile(name string) (*Profile, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file; want a profile file", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	return Parse(data, name)
}
