package scenarios

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/hwprofiles"
)

// Amount is a number of CPUs, plain or in units of the machine: "2", "2 cores",
// "1 numaNode", "1/2 socket".
type Amount struct {
	// Num and Den are the number of units; Den is at least 1.
	Num, Den int
	// Unit is empty for CPUs, else one of amountUnits.
	Unit string
}

// String writes the amount as a scenario does.
func (a Amount) String() string {
	text := strconv.Itoa(a.Num)
	if a.Den > 1 {
		text += "/" + strconv.Itoa(a.Den)
	}
	if a.Unit != "" {
		text += " " + a.Unit
		if a.Num > 1 && a.Den == 1 {
			text += "s"
		}
	}
	return text
}

// amountUnits are the units of the machine that an amount may have.
func amountUnits() []string { return []string{"core", "numaNode", "socket"} }

// maxAmount bounds the numbers of an amount; no node has more CPUs.
const maxAmount = 1 << 16

var amountForm = regexp.MustCompile(`^([0-9]{1,5})(?:/([0-9]{1,5}))? +([A-Za-z]+)$`)

// parseAmount reads an amount with a unit; matched is false for anything that
// does not look like one.
func parseAmount(text string) (a Amount, matched bool, trouble string) {
	m := amountForm.FindStringSubmatch(text)
	if m == nil {
		return Amount{}, false, ""
	}
	unit := m[3]
	if unit[len(unit)-1] == 's' {
		unit = unit[:len(unit)-1]
	}
	if !slices.Contains(amountUnits(), unit) {
		return Amount{}, true, unknown("unit", m[3], amountUnits())
	}
	a = Amount{Den: 1, Unit: unit}
	a.Num, _ = strconv.Atoi(m[1]) // five digits always fit
	if m[2] != "" {
		a.Den, _ = strconv.Atoi(m[2])
	}
	if a.Num < 1 || a.Den < 1 || a.Num > maxAmount {
		return Amount{}, true, fmt.Sprintf("%s is no amount; want one like 1 core, 1/2 numaNode", quote(text))
	}
	return a, true, ""
}

// On is the number of CPUs on a machine. A core has as many CPUs as the
// machine's largest; a NUMA node or socket as many as the smallest that has
// any, so that every one of them has room. A part of a unit is rounded down to
// whole cores, and is at least one.
func (a Amount) On(p *hwprofiles.Profile) int {
	if a.Unit == "" || p == nil {
		return a.Num / max(a.Den, 1)
	}
	core := max(p.SMTLevel(), 1)
	unit := core
	switch a.Unit {
	case "numaNode":
		unit = smallest(p, p.NodeIDs(), func(c *hwprofiles.CPU) int { return c.NUMANode })
	case "socket":
		unit = smallest(p, p.Sockets(), func(c *hwprofiles.CPU) int { return c.Package })
	}
	n := a.Num * unit / a.Den
	if a.Den > 1 {
		n -= n % core
	}
	return max(n, core)
}

// smallest counts the online CPUs of the smallest of the units that have any.
func smallest(p *hwprofiles.Profile, ids []int, of func(*hwprofiles.CPU) int) int {
	least := 0
	for _, id := range ids {
		n := p.CPUsWhere(func(c *hwprofiles.CPU) bool { return c.Online && of(c) == id }).Size()
		if n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	if least == 0 { // a machine that knows no such unit is one
		return p.OnlineCPUs().Size()
	}
	return least
}

// Size gives a container's CPUs in units of the machine.
type Size struct {
	// Init says that Container counts the init containers.
	Init      bool
	Container int
	Amount    Amount
}

// on is the event on a machine, the sizes worked out; other events stay what
// they are.
func (e CreatePod) on(p *hwprofiles.Profile) CreatePod {
	if len(e.Sizes) == 0 {
		return e
	}
	pod := e.Pod.DeepCopy()
	for _, s := range e.Sizes {
		list := pod.Spec.Containers
		if s.Init {
			list = pod.Spec.InitContainers
		}
		q := *resource.NewQuantity(int64(s.Amount.On(p)), resource.DecimalSI)
		r := &list[s.Container].Resources
		r.Requests["cpu"], r.Limits["cpu"] = q, q
	}
	e.Pod = pod
	return e
}

// cpuSize is a shorthand container's "cpu": a quantity or an amount. An amount
// has its number as the quantity until the machine is known.
type cpuSize struct {
	quantity resource.Quantity
	amount   *Amount
}

// cpuSize reads either.
func (d *decoder) cpuSize(n *node, into *cpuSize, at *place) {
	if n.kind == scalar {
		if a, matched, trouble := parseAmount(n.value); matched {
			if trouble != "" {
				d.errorf(n.line, "%s: %s", at, trouble)
				return
			}
			into.amount, into.quantity = &a, *resource.NewQuantity(int64(a.Num), resource.DecimalSI)
			return
		}
	}
	d.quantity(n, &into.quantity, at)
}

// amount reads a number of CPUs.
func (d *decoder) amount(n *node, into *Amount, at *place) {
	if n.kind == scalar {
		if a, matched, trouble := parseAmount(n.value); matched {
			if trouble != "" {
				d.errorf(n.line, "%s: %s", at, trouble)
				return
			}
			*into = a
			return
		}
	}
	count, err := strconv.Atoi(n.digits())
	if n.kind != scalar || n.tag != intTag || err != nil {
		d.wrong(n, at, "a whole number")
		return
	}
	*into = Amount{Num: count, Den: 1}
}
