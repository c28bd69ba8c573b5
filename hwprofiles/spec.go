package hwprofiles

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads a profile file. The format, in short (docs in the project's
// README, examples in the embedded profiles):
//
//	name: epyc-7742-2s-nps1
//	description: …
//	sources: [public documents]
//	shape: sockets=2 cores=64 threads=2 l3=4   # the keys of ParseShape, as
//	                                           # one line or as a mapping
//	memory: 512GiB                             # the machine's, if not the sum
//	nodes:                                     # overrides, and more nodes
//	- {id: 1, cpus: "8-15", memory: 0, hugePages: {2MiB: 1024}}
//	- {id: 2-3, memory: 64GiB}                 # without CPUs
//	- {id: 4, absent: 16-140}                  # lists CPUs that do not exist
//	distances:                                 # one row per node, in order
//	- 10 21 17 17                              # 17x2 repeats a value
//	caches: [{id: 0-1, size: 32MiB, level: 3}] # of L3s, where they differ
//	noCacheIDs: true
//	cpus:                                      # what differs from the shape
//	  ids: 0-3,8-11                            # the CPUs' numbers
//	  possible: 0-15
//	  offline: 3,8                             # their place is remembered
//	  unplaced: 8                              # offline, place not known
//	  noTopology: 2                            # no topology directory
//	  siblings: ["0,8", "1,9"]                 # whole cores
//	  core: 0-3,0-3                            # one value per CPU in order,
//	  node: {0: "0-3", 1: "8-11"}              # or value: CPUs; none is an id
//
// The last form is for socket, package, core, node, l3, die, cluster, book,
// drawer and kind.
//
// Errors name the file and the line.
func Parse(data []byte, filename string) (*Profile, error) {
	r := &reader{file: filename, line: 1}
	if len(data) > maxFile {
		return nil, r.errorf(1, "the file has %d bytes; a profile has at most %d", len(data), maxFile)
	}
	if strings.ContainsRune(string(data), 0) {
		return nil, r.errorf(1, "the file has NUL bytes; want YAML text")
	}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, r.errorf(1, "the file is empty; want a profile with name and shape")
		}
		return nil, r.syntaxError(err)
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, r.syntaxError(err)
		}
		return nil, r.errorf(more.Line, "a second document starts here; want one profile per file")
	}
	if len(doc.Content) != 1 {
		return nil, r.errorf(1, "the file is empty; want a profile with name and shape")
	}
	s := &spec{shape: newShape(), lines: map[string]int{}}
	if err := r.spec(doc.Content[0], s); err != nil {
		return nil, err
	}
	return r.build(s)
}

// maxFile bounds a profile file; the largest real one has a few kilobytes.
const maxFile = 4 << 20

// spec is a profile file as it was read, before it is applied.
type spec struct {
	name, description string
	sources           []string
	shape             *shape
	memory            *uint64
	nodes             []nodeSpec
	distances         [][]int
	distanceLines     []int
	caches            []cacheSpec
	noCacheIDs        bool
	cpus              cpuSpec
	// lines remembers where a top-level key stands.
	lines map[string]int
}

type nodeSpec struct {
	line      int
	ids       []int
	cpus      []int
	hasCPUs   bool
	absent    []int
	memory    *uint64
	hugePages map[uint64]uint64
}

type cacheSpec struct {
	line  int
	ids   []int
	size  *uint64
	level int
}

type cpuSpec struct {
	line int
	// ids, possible, offline, unplaced, noTopology are nil when not given.
	ids, possible, offline, unplaced, noTopology *listSpec
	siblings                                     []listSpec
	fields                                       []fieldSpec
}

// listSpec is a list of CPUs or numbers with its line.
type listSpec struct {
	line int
	ids  []int
}

// fieldSpec gives a field of the CPUs its values: one for all, one per CPU, or
// by value.
type fieldSpec struct {
	line   int
	name   string
	inTurn []string
	byCPU  []valueSpec
}

type valueSpec struct {
	line  int
	value string
	cpus  []int
}

// reader reads YAML nodes and says where something is wrong.
type reader struct {
	file string
	line int
}

func (r *reader) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", r.file, max(line, 1), fmt.Sprintf(format, args...))
}

// syntaxError puts the file's name and line before the YAML reader's words.
func (r *reader) syntaxError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if n, scanErr := fmt.Sscanf(text, "line %d:", &line); n == 1 && scanErr == nil {
		_, text, _ = strings.Cut(text, ": ")
	}
	return r.errorf(line, "not valid YAML: %s", text)
}

// fields walks a mapping and hands each value to the function of its key.
func (r *reader) fields(n *yaml.Node, what string, set map[string]func(*yaml.Node) error) error {
	if n.Kind == yaml.AliasNode {
		return r.errorf(n.Line, "aliases are not allowed in a profile; write the value out")
	}
	if n.Kind != yaml.MappingNode {
		return r.errorf(n.Line, "%s is %s; want a mapping of key: value", what, kindOf(n))
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if first, ok := seen[key.Value]; ok {
			return r.errorf(key.Line, "%s is given twice in %s, first in line %d", clip(key.Value), what, first)
		}
		seen[key.Value] = key.Line
		f, ok := set[key.Value]
		if !ok || key.Kind != yaml.ScalarNode {
			names := make([]string, 0, len(set))
			for name := range set {
				names = append(names, name)
			}
			return r.errorf(key.Line, "unknown field in %s: %s", what, quoteNear(key.Value, names))
		}
		if err := f(value); err != nil {
			return err
		}
	}
	return nil
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if n.Tag == "!!null" {
		return "empty"
	}
	return fmt.Sprintf("%q", clip(n.Value))
}

// text reads a scalar.
func (r *reader) text(n *yaml.Node, what string, dst *string) error {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return r.errorf(n.Line, "%s is %s; want one value", what, kindOf(n))
	}
	*dst = n.Value
	return nil
}

// list reads a scalar in list notation, or a sequence of numbers.
func (r *reader) list(n *yaml.Node, what string) (listSpec, error) {
	l := listSpec{line: n.Line}
	text := n.Value
	switch {
	case n.Kind == yaml.SequenceNode:
		parts := make([]string, len(n.Content))
		for i, item := range n.Content {
			if err := r.text(item, what, &parts[i]); err != nil {
				return l, err
			}
		}
		text = strings.Join(parts, ",")
	case n.Kind != yaml.ScalarNode:
		return l, r.errorf(n.Line, "%s is %s; want a list like \"0-3,8\"", what, kindOf(n))
	case n.Tag == "!!null":
		text = ""
	}
	var err error
	if l.ids, err = parseSequence(text); err != nil {
		return l, r.errorf(n.Line, "%s: %v", what, err)
	}
	return l, nil
}

func (r *reader) size(n *yaml.Node, what string) (*uint64, error) {
	var text string
	if err := r.text(n, what, &text); err != nil {
		return nil, err
	}
	size, err := parseSize(text)
	if err != nil {
		return nil, r.errorf(n.Line, "%s: %v", what, err)
	}
	return &size, nil
}

func (r *reader) flag(n *yaml.Node, what string, dst *bool) error {
	switch n.Value {
	case "true", "false":
		*dst = n.Value == "true"
		return nil
	}
	return r.errorf(n.Line, "%s is %s; want true or false", what, kindOf(n))
}

// items hands each item of a sequence to f.
func (r *reader) items(n *yaml.Node, what string, f func(*yaml.Node) error) error {
	if n.Kind != yaml.SequenceNode {
		return r.errorf(n.Line, "%s is %s; want a list", what, kindOf(n))
	}
	for _, item := range n.Content {
		if err := f(item); err != nil {
			return err
		}
	}
	return nil
}
