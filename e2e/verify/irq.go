package verify

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/sim/observe"
)

// irq is one interrupt.
type irq struct {
	number int
	name   string // of the device; empty when nobody has asked for it
	// allowed is where it may be delivered; effective where the kernel chose
	// to, nil where that is not known.
	allowed   cpuset.CPUSet
	effective *cpuset.CPUSet
}

func (i irq) String() string {
	if i.name == "" {
		return fmt.Sprintf("IRQ %d", i.number)
	}
	return fmt.Sprintf("IRQ %d %s", i.number, i.name)
}

// parseIRQList reads an affinity list of procfs.
func parseIRQList(data []byte) (cpuset.CPUSet, error) {
	return observe.ParseSet(strings.TrimSpace(string(data)))
}

// readIRQs reads the affinities of the interrupts that a device has asked for.
func (a *audit) readIRQs() []irq {
	entries, err := a.root.List("proc/irq")
	if err != nil {
		a.unread("interrupts", err)
		return nil
	}
	var out []irq
	for _, e := range entries {
		number, err := strconv.Atoi(e.Name())
		if err != nil || !e.IsDir() {
			continue
		}
		dir := path.Join("proc/irq", e.Name())
		i := irq{number: number}
		parts, err := a.root.List(dir)
		if err != nil {
			a.unread(i.String(), err)
			continue
		}
		var names []string
		for _, p := range parts {
			if p.IsDir() { // one for each action, with its name
				names = append(names, p.Name())
			}
		}
		if i.name = strings.Join(names, ", "); i.name == "" {
			continue
		}
		data, err := a.root.Read(path.Join(dir, "smp_affinity_list"))
		if err == nil {
			i.allowed, err = parseIRQList(data)
		}
		if err != nil {
			if !missing(err) {
				a.unread(i.String(), err)
			}
			continue
		}
		if data, err = a.root.Read(path.Join(dir, "effective_affinity_list")); err == nil {
			set, err := parseIRQList(data)
			if err != nil {
				a.unread(i.String(), err)
			} else if !set.IsEmpty() {
				i.effective = &set
			}
		} else if !missing(err) {
			a.unread(i.String(), err)
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b irq) int { return a.number - b.number })
	return out
}
