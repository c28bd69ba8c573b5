package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of a file. They are far above what a person writes and keep a hostile
// file from using up the machine.
const (
	// MaxFileBytes is the size of the largest file that is read. A dump of all
	// pods of a full node is a quarter of it; parsed, a file takes a hundred
	// times its size.
	MaxFileBytes = 4 << 20
	// maxDepth bounds nesting; a pod's deepest field is at about 15.
	maxDepth = 100
	// maxDocuments bounds the documents of one file.
	maxDocuments = 10_000
	// maxExpanded bounds the nodes that aliases may stand for in one file.
	maxExpanded = 100_000
)

// kind is what a node of a YAML document is.
type kind int

const (
	scalar kind = iota
	mapping
	sequence
)

// node is one node of a YAML document, aliases and merges resolved.
type node struct {
	kind kind
	// line is where the node's key is, or the node itself in a list.
	line int
	// tag and value are a scalar's; plain marks one without quotes.
	tag   string
	value string
	plain bool
	// fields are a mapping's, in the order of the file; items a sequence's.
	fields []member
	items  []*node
}

type member struct {
	key   string
	line  int
	value *node
}

const (
	strTag   = "!!str"
	intTag   = "!!int"
	floatTag = "!!float"
	boolTag  = "!!bool"
	nullTag  = "!!null"
)

// get returns the value of a mapping's key, nil when there is none.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for i := range n.fields {
		if n.fields[i].key == key {
			return n.fields[i].value
		}
	}
	return nil
}

// members returns a mapping's fields; nothing has none.
func (n *node) members() []member {
	if n == nil {
		return nil
	}
	return n.fields
}

// lineOf returns the line of a key below n, else n's own.
func (n *node) lineOf(keys ...string) int {
	for _, key := range keys {
		next := n.get(key)
		if next == nil {
			break
		}
		n = next
	}
	return n.line
}

// text returns the value of a key that holds a scalar.
func (n *node) text(key string) string {
	if v := n.get(key); v != nil && v.kind == scalar && v.tag != nullTag {
		return v.value
	}
	return ""
}

func (n *node) isNull() bool { return n.kind == scalar && n.tag == nullTag }

// asField lets a bare value stand for a mapping with one field: "deletePod: a"
// for "deletePod: {pod: a}".
func (n *node) asField(key string) *node {
	if n.kind == mapping || n.isNull() {
		return n
	}
	return &node{kind: mapping, line: n.line, fields: []member{{key: key, line: n.line, value: n}}}
}

// says describes a node for "want a list, got …".
func (n *node) says() string {
	switch {
	case n.kind == mapping:
		return "a mapping"
	case n.kind == sequence:
		return "a list"
	case n.tag == nullTag:
		return "nothing"
	case n.tag == boolTag:
		return n.value
	case n.tag == intTag || n.tag == floatTag:
		return "the number " + clip(n.value)
	}
	return "the text " + quote(n.value)
}

// parseTree reads every document of a file. Problems go to p; documents that
// are empty are nil.
func parseTree(data []byte, file string, p *problems) []*node {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if len(data) > MaxFileBytes {
		p.add(file, 0, "file of %d bytes is too large; at most %d", len(data), MaxFileBytes)
		return nil
	}
	if !utf8.Valid(data) {
		p.add(file, invalidLine(data), "not UTF-8 text")
		return nil
	}
	raw, err := parseYAML(data)
	if err != nil {
		line, message := explainYAML(err, data)
		p.add(file, line, "%s", message)
		return nil
	}
	docs := make([]*node, 0, len(raw))
	for _, doc := range raw {
		t := &treeBuilder{file: file, problems: p}
		var root *node
		if len(doc.Content) > 0 {
			root = t.build(doc.Content[0], 0)
		}
		if t.stopped {
			return nil
		}
		if root != nil && root.isNull() {
			root = nil
		}
		docs = append(docs, root)
	}
	return docs
}

// parseYAML returns the documents of a stream.
func parseYAML(data []byte) (docs []*yaml.Node, err error) {
	// The parser is not ours and the input is anybody's: what makes it panic
	// is bad input, too.
	defer func() {
		if r := recover(); r != nil {
			docs, err = nil, fmt.Errorf("yaml: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, err
		}
		if docs = append(docs, &doc); len(docs) > maxDocuments {
			return nil, fmt.Errorf("yaml: more than %d documents", maxDocuments)
		}
	}
}

// invalidLine is the line of the first byte that is not UTF-8.
func invalidLine(data []byte) int {
	for i, line := range bytes.Split(data, []byte("\n")) {
		if !utf8.Valid(line) {
			return i + 1
		}
	}
	return 0
}

// explainYAML takes a parser's message apart. The parser has no good words for
// the commonest mistake, a tab.
func explainYAML(err error, data []byte) (line int, message string) {
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
		if strings.HasPrefix(message, "did not find expected") {
			line++ // the parser counts these from 0
		}
		line = min(line, 1+bytes.Count(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")))
	}
	if line == 0 {
		line = lineOfTrouble(message, data)
	}
	if strings.Contains(message, "cannot start any token") || strings.Contains(message, "did not find expected") ||
		strings.Contains(message, "tab character") || strings.Contains(message, "mapping values") {
		for i, l := range bytes.Split(data, []byte("\n")) {
			indent := l[:len(l)-len(bytes.TrimLeft(l, " \t"))]
			if bytes.Contains(indent, []byte("\t")) {
				return i + 1, "the line is indented with a tab; YAML wants spaces"
			}
		}
	}
	return line, "not YAML: " + message
}

// lineOfTrouble finds the line of those mistakes for which the parser gives none.
func lineOfTrouble(message string, data []byte) int {
	at := -1
	if m := regexp.MustCompile(`^unknown anchor '(.*)' referenced`).FindStringSubmatch(message); m != nil {
		at = bytes.Index(data, []byte("*"+m[1]))
	} else if strings.Contains(message, "control characters") {
		at = bytes.IndexFunc(data, func(r rune) bool {
			return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 && r != 0x85
		})
	}
	if at < 0 {
		return 0
	}
	return 1 + bytes.Count(data[:at], []byte("\n"))
}

// treeBuilder turns the parser's nodes into ours.
type treeBuilder struct {
	file     string
	problems *problems
	// aliases counts the aliases open above the node; expanded the nodes
	// they stand for so far.
	aliases  int
	expanded int
	stopped  bool
}

// stop gives up on the file.
func (t *treeBuilder) stop(line int, format string, args ...any) *node {
	if !t.stopped {
		t.problems.add(t.file, line, format, args...)
		t.stopped = true
	}
	return &node{line: line, tag: nullTag}
}

func (t *treeBuilder) build(y *yaml.Node, depth int) *node {
	if t.stopped {
		return &node{line: y.Line, tag: nullTag}
	}
	if depth > maxDepth {
		return t.stop(y.Line, "nested more than %d deep", maxDepth)
	}
	if t.aliases > 0 {
		if t.expanded++; t.expanded > maxExpanded {
			return t.stop(y.Line, "aliases stand for more than %d values", maxExpanded)
		}
	}
	n := &node{line: y.Line}
	switch y.Kind {
	case yaml.AliasNode:
		t.aliases++
		n := t.build(y.Alias, depth+1)
		t.aliases--
		return n
	case yaml.MappingNode:
		n.kind = mapping
		t.checkTag(y, "!!map")
		t.mapping(n, y, depth)
	case yaml.SequenceNode:
		n.kind = sequence
		t.checkTag(y, "!!seq")
		n.items = make([]*node, 0, len(y.Content))
		for _, item := range y.Content {
			n.items = append(n.items, t.build(item, depth+1))
		}
	default:
		n.value = y.Value
		n.tag = y.ShortTag()
		n.plain = y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
		switch n.tag {
		case strTag, intTag, floatTag, boolTag, nullTag:
		case "!!timestamp", "!!merge":
			n.tag = strTag
		default:
			t.problems.add(t.file, y.Line, "tag %s is not supported", quote(n.tag))
			n.tag = strTag
		}
	}
	return n
}

func (t *treeBuilder) checkTag(y *yaml.Node, want string) {
	if tag := y.ShortTag(); tag != want {
		t.problems.add(t.file, y.Line, "tag %s is not supported", quote(tag))
	}
}

func (t *treeBuilder) mapping(n *node, y *yaml.Node, depth int) {
	seen := make(map[string]int, len(y.Content)/2)
	var merged []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		line := y.Content[i].Line
		if key.Kind != yaml.ScalarNode || key.ShortTag() == nullTag {
			t.problems.add(t.file, line, "a key must be a plain text")
			continue
		}
		v := t.build(value, depth+1)
		if key.ShortTag() == "!!merge" {
			merged = append(merged, t.mergeSources(v, line)...)
			continue
		}
		if first, ok := seen[key.Value]; ok {
			t.problems.add(t.file, line, "field %s is given twice, first in line %d", quote(key.Value), first)
			continue
		}
		seen[key.Value] = line
		v.line = line
		n.fields = append(n.fields, member{key.Value, line, v})
	}
	// A key of the mapping itself wins over a merged one, an earlier merge
	// over a later.
	for _, source := range merged {
		for _, f := range source.fields {
			if _, ok := seen[f.key]; !ok {
				seen[f.key] = f.line
				n.fields = append(n.fields, f)
			}
		}
	}
}

// mergeSources returns the mappings that a "<<" names.
func (t *treeBuilder) mergeSources(v *node, line int) []*node {
	sources := []*node{v}
	if v.kind == sequence {
		sources = v.items
	}
	for _, s := range sources {
		if s.kind != mapping {
			t.problems.add(t.file, line, "<< wants a mapping or a list of mappings, got %s", s.says())
			return nil
		}
	}
	return sources
}
