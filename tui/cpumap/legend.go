package cpumap

import (
	"fmt"
	"strings"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/tui/paint"
)

// Entry is one entry of the legend of signs that are no container's.
type Entry struct {
	Mark Mark
	Text string
}

// Legend explains the signs on the map that stand for no container.
func (ow *Owners) Legend(level Level) []Entry {
	var out []Entry
	add := func(symbol rune, role paint.Role, cpus cpuset.CPUSet, text string) {
		if n := cpus.Size(); n > 0 {
			out = append(out, Entry{Mark{Symbol: symbol, Role: role}, fmt.Sprintf("%s %d", text, n)})
		}
	}
	shared := "shared pool, free" // reserved CPUs are in the pool, too
	if ow.Unmanaged {
		shared = "not managed"
	}
	reserved := "reserved"
	if ow.Strict {
		reserved = "reserved, not in the shared pool"
	}
	// First what must not be missed where there is no room for all.
	add(symbolClash, paint.Clash, ow.Clash, "conflict")
	add(symbolShared, paint.Shared, ow.Shared, shared)
	add(symbolReserved, paint.Reserved, ow.Reserved, reserved)
	add(symbolOffline, paint.Offline, ow.Offline, "offline")
	add(symbolNobody, paint.Nobody, ow.Nobody, "nobody's")
	if level == Cores {
		out = append(out, Entry{Mark{Symbol: symbolMixed}, "siblings differ"})
	}
	return out
}

// Letters says in few words whose the letters are: by the pod's name, where it has
// one letter alone.
func (ow *Owners) Letters() []Entry {
	pods := map[string]int{}
	for i := range ow.List {
		pods[podOf(ow.List[i].Name)]++
	}
	out := make([]Entry, 0, len(ow.List))
	for i := range ow.List {
		w := &ow.List[i]
		name := w.Name
		if pod := podOf(name); pods[pod] == 1 {
			name = pod
		}
		out = append(out, Entry{Mark{Symbol: w.Letter, Role: w.Role}, name})
	}
	return out
}

// podOf is a container's name without its last part.
func podOf(name string) string {
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		return name[:i]
	}
	return name
}
