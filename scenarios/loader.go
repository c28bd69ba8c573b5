package scenarios

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Loader reads scenario files. It says everything that is wrong with a file at
// once: the error is a join of *Error, in the order of the lines.
//
// The hooks bring in what only upstream's own code can judge; a nil hook is
// not asked.
type Loader struct {
	// Kubelet judges a KubeletConfiguration, given as JSON.
	Kubelet func(config []byte) error
	// KubeletType makes an empty KubeletConfiguration (a pointer to the API's
	// own type), whose fields the configuration's are compared with: a wrong
	// one is then told with its own line and the nearest right one.
	KubeletType func() any
	// Pod defaults a pod in place and validates it, as the API server does.
	Pod func(*corev1.Pod) error
	// Profile says whether a machine of this name (or file, or shape) exists.
	Profile func(name string) error
}

// Parse reads a scenario. The file name serves the messages only; without a
// directory, steps cannot name other files.
func (l Loader) Parse(data []byte, filename string) (*Scenario, error) {
	return l.parse(data, filename, nil)
}

// LoadFile reads a scenario file. Files that it names are found beside it or
// below its directory, nowhere else.
func (l Loader) LoadFile(name string) (*Scenario, error) {
	data, err := readFile(name)
	if err != nil {
		return nil, err
	}
	beside := &folder{shown: filepath.Dir(name), open: func() (fs.FS, func() error, error) {
		root, err := os.OpenRoot(filepath.Dir(name))
		if err != nil {
			return nil, nil, err
		}
		return root.FS(), root.Close, nil
	}}
	return l.parse(data, name, beside)
}

// readFile reads a file that a person names.
func readFile(name string) ([]byte, error) {
	// A pipe would be waited for, and could be read only once.
	if st, err := os.Stat(name); err == nil && !st.Mode().IsRegular() {
		return nil, &Error{File: name, Message: "not a regular file"}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, &Error{File: name, Message: cause(err)}
	}
	defer f.Close()
	data, err := readLimited(f)
	if err != nil {
		return nil, &Error{File: name, Message: cause(err)}
	}
	return data, nil
}

// LoadFS reads a scenario of a file system, such as the embedded corpus.
func (l Loader) LoadFS(fsys fs.FS, name string) (*Scenario, error) {
	data, err := readFS(fsys, name)
	if err != nil {
		return nil, &Error{File: name, Message: cause(err)}
	}
	beside := &folder{shown: path.Dir(name), embedded: true, open: func() (fs.FS, func() error, error) {
		sub, err := fs.Sub(fsys, path.Dir(name))
		return sub, func() error { return nil }, err
	}}
	return l.parse(data, name, beside)
}

// Load reads scenario files and, for a directory, every scenario below it in
// the order of the paths. In a directory other manifests and profiles may lie
// beside the scenarios; hidden files and directories are left out.
func (l Loader) Load(names ...string) ([]*Scenario, error) {
	var all []*Scenario
	var errs []error
	for _, name := range names {
		files := []string{name}
		if info, err := os.Stat(name); err != nil {
			errs = append(errs, &Error{File: name, Message: cause(err)})
			continue
		} else if info.IsDir() {
			if files, err = scenarioFiles(name); err != nil {
				errs = append(errs, err)
			}
		}
		for _, file := range files {
			s, err := l.LoadFile(file)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			all = append(all, s)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return all, nil
}

// scenarioFiles lists the scenarios below a directory.
func scenarioFiles(dir string) ([]string, error) {
	files, err := yamlFiles(os.DirFS(dir))
	if err != nil {
		return nil, within(dir, err)
	}
	for i := range files {
		files[i] = filepath.Join(dir, filepath.FromSlash(files[i]))
	}
	if len(files) == 0 {
		return nil, &Error{File: dir, Message: "no scenario (*.yaml) in this directory"}
	}
	return files, nil
}

// within is an error met below a directory, told of the file or directory in it.
func within(dir string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		dir = filepath.Join(dir, filepath.FromSlash(at.Path))
	}
	return &Error{File: dir, Message: cause(err)}
}

// yamlFiles lists the scenarios of a file system, sorted.
func yamlFiles(fsys fs.FS) ([]string, error) {
	var files []string
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case entry.Type().IsRegular() && (path.Ext(name) == ".yaml" || path.Ext(name) == ".yml"):
			data, err := readFS(fsys, name)
			if err != nil {
				return err
			}
			if !isManifest(data) && !isProfile(data) {
				files = append(files, name)
			}
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// isManifest says that a YAML file found in a directory is no scenario but a
// manifest: it names a kind of its own, with an apiVersion that is not ours. A
// scenario whose head is misspelt is no manifest, so that it is not passed
// over in silence.
func isManifest(data []byte) bool {
	version := regexp.MustCompile(`(?m)^apiVersion:[ \t]*["']?([^"'\s#]+)`).FindSubmatch(data)
	kind := regexp.MustCompile(`(?m)^kind:[ \t]*["']?([^"'\s#]+)`).FindSubmatch(data)
	if version == nil || kind == nil {
		return false
	}
	return !strings.HasPrefix(string(version[1]), "pinlab") && string(kind[1]) != Kind
}

// isProfile says that a YAML file found in a directory is a machine's: it has
// what a profile must have and nothing of a scenario.
func isProfile(data []byte) bool {
	has := func(keys string) bool { return regexp.MustCompile(`(?m)^(` + keys + `):`).Match(data) }
	return has("name") && has("shape|cpus") && !has("apiVersion|kind|metadata|profile|steps")
}

// folder is where the files lie that a scenario names. It is opened when the
// first one is read.
type folder struct {
	shown string
	// embedded says that nobody else can read the files.
	embedded bool
	open     func() (fs.FS, func() error, error)
}

// read reads a file below the folder.
func (f *folder) read(name string) ([]byte, error) {
	fsys, done, err := f.open()
	if err != nil {
		return nil, err
	}
	data, err := readFS(fsys, name)
	return data, errors.Join(err, done())
}

// readFS reads a regular file: a pipe or a device could keep us for ever.
func readFS(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readLimited(f)
}

// readLimited reads one byte more than is allowed, so that a file which is too
// large is seen to be.
func readLimited(r io.Reader) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, MaxFileBytes+1))
}

// cause is an error without the path, which the message already has.
func cause(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}
