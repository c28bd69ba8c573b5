package scenarios

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// flatten takes a joined error apart. Upstream's aggregates count as joined,
// also below a wrapping that says what they are about: whoever asks knows.
func flatten(err error) []error {
	var parts []error
	var several interface{ Errors() []error }
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		parts = joined.Unwrap()
	} else if errors.As(err, &several) {
		parts = several.Errors()
	}
	if len(parts) == 0 {
		return []error{err}
	}
	var all []error
	for _, part := range parts {
		all = append(all, flatten(part)...)
	}
	return all
}

// linePath finds the line of the field that an error names by its path, as in
// `spec.containers[0].resources.requests: Invalid value`. It follows the path
// as far as the file has it.
func (n *node) linePath(text string) int {
	path := regexp.MustCompile(`[A-Za-z][\w-]*(?:\[[^\]]*\]|\.[A-Za-z][\w-]*)+`).FindString(text)
	steps := regexp.MustCompile(`\[[^\]]*\]|[A-Za-z][\w-]*`).FindAllString(path, -1)
	if n.get("spec") == nil && len(steps) > 0 && steps[0] == "spec" {
		steps = steps[1:] // the shorthand has the spec's fields at the top
	}
	for _, step := range steps {
		next := n.get(strings.Trim(step, "[]"))
		if i, err := strconv.Atoi(strings.Trim(step, "[]")); next == nil && err == nil && n.kind == sequence && i >= 0 && i < len(n.items) {
			next = n.items[i]
		}
		if next == nil {
			break
		}
		n = next
	}
	return n.line
}

// lineNamed finds the line of the field that an error mentions first, anywhere
// below n; without one it is n's own line. Upstream's validation of a kubelet
// configuration names fields by their bare names, in various spellings.
func (n *node) lineNamed(text string) int {
	words := map[string]int{}
	for _, m := range regexp.MustCompile(`[A-Za-z][\w-]*`).FindAllStringIndex(text, -1) {
		word := strings.ToLower(text[m[0]:m[1]])
		if _, ok := words[word]; !ok {
			words[word] = m[0]
		}
	}
	best, line := len(text), n.line
	var search func(*node)
	search = func(n *node) {
		for _, f := range n.fields {
			if at, ok := words[strings.ToLower(f.key)]; ok && at < best && f.key != "kind" && f.key != "apiVersion" {
				best, line = at, f.line
			}
			search(f.value)
		}
		for _, item := range n.items {
			search(item)
		}
	}
	search(n)
	return line
}
