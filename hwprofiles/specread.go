package hwprofiles

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// spec reads a whole profile file.
func (r *reader) spec(n *yaml.Node, s *spec) error {
	top := map[string]func(*yaml.Node) error{
		"name":        func(n *yaml.Node) error { return r.text(n, "name", &s.name) },
		"description": func(n *yaml.Node) error { return r.text(n, "description", &s.description) },
		"sources": func(n *yaml.Node) error {
			return r.items(n, "sources", func(item *yaml.Node) error {
				s.sources = append(s.sources, "")
				return r.text(item, "a source", &s.sources[len(s.sources)-1])
			})
		},
		"shape": func(n *yaml.Node) error { return r.shape(n, s.shape) },
		"memory": func(n *yaml.Node) (err error) {
			s.memory, err = r.size(n, "memory")
			return err
		},
		"nodes": func(n *yaml.Node) error {
			return r.items(n, "nodes", func(item *yaml.Node) error { return r.node(item, s) })
		},
		"distances": func(n *yaml.Node) error {
			return r.items(n, "distances", func(item *yaml.Node) error { return r.distanceRow(item, s) })
		},
		"caches": func(n *yaml.Node) error {
			return r.items(n, "caches", func(item *yaml.Node) error { return r.cache(item, s) })
		},
		"noCacheIDs": func(n *yaml.Node) error { return r.flag(n, "noCacheIDs", &s.noCacheIDs) },
		"cpus":       func(n *yaml.Node) error { return r.cpus(n, &s.cpus) },
	}
	for key, f := range top {
		top[key] = func(n *yaml.Node) error {
			s.lines[key] = n.Line
			return f(n)
		}
	}
	if err := r.fields(n, "the profile", top); err != nil {
		return err
	}
	if _, ok := s.lines["name"]; !ok {
		return r.errorf(n.Line, "name is missing; want a short name like xeon-2s24c-smt2")
	}
	if !isName(s.name) || s.name != strings.ToLower(s.name) {
		return r.errorf(s.lines["name"], "name %q is no profile name; want lower-case letters, digits and dashes", clip(s.name))
	}
	if _, ok := s.lines["shape"]; !ok {
		return r.errorf(n.Line, "shape is missing; want one like \"sockets=2 cores=24 threads=2\"")
	}
	return nil
}

// shape reads a shape as one line or as a mapping.
func (r *reader) shape(n *yaml.Node, s *shape) error {
	if n.Kind == yaml.MappingNode {
		set := map[string]func(*yaml.Node) error{}
		for _, key := range shapeKeys() {
			set[key] = func(n *yaml.Node) error {
				var text string
				if n.Kind == yaml.SequenceNode {
					l, err := r.list(n, key)
					if err != nil {
						return err
					}
					text = formatSequence(l.ids)
				} else if err := r.text(n, key, &text); err != nil {
					return err
				}
				if err := s.set(key, text); err != nil {
					return r.errorf(n.Line, "%v", err)
				}
				return nil
			}
		}
		if err := r.fields(n, "shape", set); err != nil {
			return err
		}
	} else {
		var text string
		if err := r.text(n, "shape", &text); err != nil {
			return err
		}
		seen := map[string]bool{}
		for word := range strings.FieldsSeq(text) {
			key, value, ok := strings.Cut(word, "=")
			if !ok {
				return r.errorf(n.Line, "shape: %q is no key=value pair; want pairs like sockets=2 cores=24", clip(word))
			}
			if seen[key] {
				return r.errorf(n.Line, "shape gives %s twice", clip(key))
			}
			seen[key] = true
			if err := s.set(key, value); err != nil {
				return r.errorf(n.Line, "shape: %v", err)
			}
		}
	}
	if err := s.finish(); err != nil {
		return r.errorf(n.Line, "shape: %v", err)
	}
	return nil
}

func (r *reader) node(n *yaml.Node, s *spec) error {
	ns := nodeSpec{line: n.Line}
	err := r.fields(n, "a node", map[string]func(*yaml.Node) error{
		"id": func(n *yaml.Node) error {
			l, err := r.list(n, "id")
			if ns.ids = l.ids; err == nil && len(l.ids) > maxNodes {
				err = r.errorf(n.Line, "id names %d nodes; at most %d", len(l.ids), maxNodes)
			}
			for _, id := range ns.ids {
				if err == nil && id > maxNodeID {
					err = r.errorf(n.Line, "node id %d is too large; at most %d", id, maxNodeID)
				}
			}
			return err
		},
		"cpus": func(n *yaml.Node) error {
			l, err := r.list(n, "cpus")
			ns.cpus, ns.hasCPUs = l.ids, true
			return err
		},
		"absent": func(n *yaml.Node) error {
			l, err := r.list(n, "absent")
			ns.absent = l.ids
			return err
		},
		"memory": func(n *yaml.Node) (err error) {
			ns.memory, err = r.size(n, "memory")
			return err
		},
		"hugePages": func(n *yaml.Node) error { return r.hugePages(n, &ns) },
	})
	if err != nil {
		return err
	}
	if len(ns.ids) == 0 {
		return r.errorf(n.Line, "a node has no id; want id: 2, or id: 2-5 for several")
	}
	if len(ns.ids) > 1 && len(ns.cpus) > 0 {
		return r.errorf(n.Line, "cpus are given for %d nodes at once; give each node its own line", len(ns.ids))
	}
	s.nodes = append(s.nodes, ns)
	return nil
}

func (r *reader) hugePages(n *yaml.Node, ns *nodeSpec) error {
	if n.Kind != yaml.MappingNode {
		return r.errorf(n.Line, "hugePages is %s; want page size: count, like {2MiB: 1024}", kindOf(n))
	}
	ns.hugePages = map[uint64]uint64{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		size, err := r.size(n.Content[i], "page size")
		if err != nil {
			return err
		}
		count, err := strconv.ParseUint(n.Content[i+1].Value, 10, 32)
		if err != nil || *size == 0 || *size%1024 != 0 {
			return r.errorf(n.Content[i].Line, "hugePages %s: %s is no page size and count; want like {2MiB: 1024}",
				clip(n.Content[i].Value), clip(n.Content[i+1].Value))
		}
		if _, ok := ns.hugePages[*size]; ok {
			return r.errorf(n.Content[i].Line, "hugePages of %s are given twice", formatSize(*size))
		}
		ns.hugePages[*size] = count
	}
	return nil
}

// distanceRow reads "10 40 80x16": values, x repeats.
func (r *reader) distanceRow(n *yaml.Node, s *spec) error {
	words := strings.Fields(n.Value)
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			words = append(words, item.Value)
		}
	}
	row := []int{}
	if len(words) == 1 && words[0] == "unknown" {
		words = nil
	}
	for _, word := range words {
		value, times, repeat := strings.Cut(word, "x")
		count := 1
		d, err := parseNumber(value)
		if err == nil && repeat {
			count, err = parseNumber(times)
		}
		if err != nil || count < 1 || count > maxNodes {
			return r.errorf(n.Line, "distance %q: want a number, or 80x16 for 16 times 80", clip(word))
		}
		if d < minDistance || d > maxDistance {
			return r.errorf(n.Line, "distance %q: want %d to %d", clip(word), minDistance, maxDistance)
		}
		for range count {
			row = append(row, d)
		}
	}
	if len(row) > maxNodes || len(row) == 0 && n.Value != "unknown" {
		return r.errorf(n.Line, "a distance row of %d values; want one value per node, like 10 21", len(row))
	}
	s.distances = append(s.distances, row)
	s.distanceLines = append(s.distanceLines, n.Line)
	return nil
}

func (r *reader) cache(n *yaml.Node, s *spec) error {
	cs := cacheSpec{line: n.Line}
	err := r.fields(n, "a cache", map[string]func(*yaml.Node) error{
		"id": func(n *yaml.Node) error {
			l, err := r.list(n, "id")
			cs.ids = l.ids
			return err
		},
		"size": func(n *yaml.Node) (err error) {
			cs.size, err = r.size(n, "size")
			return err
		},
		"level": func(n *yaml.Node) error {
			level, err := parseNumber(n.Value)
			if cs.level = level; err != nil || level < 3 || level > maxCacheLevel {
				return r.errorf(n.Line, "level is %s; want 3 or above", kindOf(n))
			}
			return nil
		},
	})
	if err == nil && len(cs.ids) == 0 {
		err = r.errorf(n.Line, "a cache has no id; want id: 0, or id: 0-3 for several")
	}
	s.caches = append(s.caches, cs)
	return err
}

func (r *reader) cpus(n *yaml.Node, s *cpuSpec) error {
	s.line = n.Line
	list := func(name string, dst **listSpec) func(*yaml.Node) error {
		return func(n *yaml.Node) error {
			l, err := r.list(n, name)
			if *dst = &l; err != nil {
				return err
			}
			for _, id := range l.ids {
				if id > maxID {
					return r.errorf(n.Line, "%s: %d is no CPU number; the largest is %d", name, id, maxID)
				}
			}
			return nil
		}
	}
	set := map[string]func(*yaml.Node) error{
		"ids":        list("ids", &s.ids),
		"possible":   list("possible", &s.possible),
		"offline":    list("offline", &s.offline),
		"unplaced":   list("unplaced", &s.unplaced),
		"noTopology": list("noTopology", &s.noTopology),
		"siblings": func(n *yaml.Node) error {
			return r.items(n, "siblings", func(item *yaml.Node) error {
				l, err := r.list(item, "siblings")
				s.siblings = append(s.siblings, l)
				return err
			})
		},
	}
	for _, name := range fieldNames() {
		set[name] = func(n *yaml.Node) error {
			f, err := r.field(n, name)
			s.fields = append(s.fields, f)
			return err
		}
	}
	return r.fields(n, "cpus", set)
}

// field reads the values of one field of the CPUs.
func (r *reader) field(n *yaml.Node, name string) (fieldSpec, error) {
	f := fieldSpec{line: n.Line, name: name}
	if n.Kind != yaml.MappingNode {
		// A single word that is no list: none, -1, or a kind.
		if n.Kind == yaml.ScalarNode && (isNone(n.Value) || name == "kind") {
			f.inTurn = []string{n.Value}
			return f, nil
		}
		l, err := r.list(n, name)
		for _, id := range l.ids {
			f.inTurn = append(f.inTurn, strconv.Itoa(id))
		}
		if err == nil && len(f.inTurn) == 0 {
			err = r.errorf(n.Line, "%s is empty; want values like 0-3,0-3, or value: CPUs", name)
		}
		return f, err
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		l, err := r.list(n.Content[i+1], name)
		if err != nil {
			return f, err
		}
		if _, numErr := parseNumber(key.Value); name != "kind" && numErr != nil && !isNone(key.Value) {
			return f, r.errorf(key.Line, "%s %q is no id; want a number or none", name, clip(key.Value))
		}
		f.byCPU = append(f.byCPU, valueSpec{key.Line, key.Value, l.ids})
	}
	return f, nil
}

func isNone(s string) bool { return s == "none" || s == "-1" }
