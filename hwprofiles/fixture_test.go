package hwprofiles

import (
	"fmt"
	"io/fs"
	"strings"
	"testing/fstest"
)

// fixture makes a tree of lines such as
//
//	sys/devices/system/cpu/cpu[0-3]/topology/core_id: 0
//	sys/devices/system/node/node0/cpu0 -> ../../cpu/cpu0
//
// [0-3] stands for each of the numbers, $ in the text for the number itself,
// and \n for a line break. Paths without a leading directory are under
// sys/devices/system.
func fixture(text string) fstest.MapFS {
	m := fstest.MapFS{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		mode := fs.FileMode(0o444)
		name, content, ok := strings.Cut(line, ": ")
		if !ok {
			if name, content, ok = strings.Cut(line, " -> "); ok {
				mode = fs.ModeSymlink | 0o777
			} else {
				name = strings.TrimSuffix(line, ":")
			}
		}
		if strings.HasPrefix(name, "cpu/") || strings.HasPrefix(name, "node/") {
			name = "sys/devices/system/" + name
		}
		content = strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(content)
		if mode.IsRegular() && content != "" {
			content += "\n"
		}
		for _, e := range expand(name, content) {
			m[e[0]] = &fstest.MapFile{Data: []byte(e[1]), Mode: mode}
		}
	}
	return m
}

// expand writes out the first [list] of a name.
func expand(name, content string) [][2]string {
	before, rest, ok := strings.Cut(name, "[")
	if !ok {
		return [][2]string{{name, content}}
	}
	list, after, _ := strings.Cut(rest, "]")
	ids, err := parseSequence(list)
	if err != nil {
		panic(err)
	}
	var out [][2]string
	for _, id := range ids {
		out = append(out, [2]string{fmt.Sprintf("%s%d%s", before, id, after), strings.ReplaceAll(content, "$", itoa(id))})
	}
	return out
}

// view is a short text of what was detected, for comparison: one line per CPU
// with core, socket, package, node, L3 and siblings, one per node and cache.
func view(p *Profile) string {
	var b strings.Builder
	for _, c := range p.CPUs {
		if !c.Online {
			fmt.Fprintf(&b, "cpu %d offline node %d\n", c.ID, c.NUMANode)
			continue
		}
		fmt.Fprintf(&b, "cpu %d core %d socket %d package %d node %d l3 %d siblings %s", c.ID, c.Core, c.Socket, c.Package, c.NUMANode, c.UncoreCache, c.Siblings)
		if c.NoTopology {
			b.WriteString(" no topology")
		}
		b.WriteString("\n")
	}
	for _, n := range p.NUMANodes {
		fmt.Fprintf(&b, "node %d cpus %q memory %d MiB distances %v\n", n.ID, p.CPUsInNode(n.ID), n.MemoryBytes>>20, n.Distances)
	}
	for _, u := range p.UncoreCaches {
		fmt.Fprintf(&b, "l%d %d size %d KiB cpus %s\n", u.Level, u.ID, u.SizeBytes>>10, u.CPUs)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

// lines drops the indentation of a text.
func lines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimLeft(text, "\n")) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
