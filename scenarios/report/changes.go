package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/sim/owners"
)

// teller tells in sentences what is different in each observation since the
// one before.
type teller struct {
	before *observe.Observation
	// config is what the kubelet last ran or tried to run with.
	config observe.Config
}

// changes tells what is different in an observation.
func (t *teller) changes(now *observe.Observation) []string {
	d := t.next(now)
	d.kubelet()
	d.config(t)
	d.admissions()
	d.machine()
	d.containers()
	d.pool()
	d.stale()
	d.checkpoint()
	d.memory()
	return d.lines
}

// next moves on to an observation.
func (t *teller) next(now *observe.Observation) *differ {
	d := &differ{before: t.before, now: now}
	if d.before == nil {
		d.before, d.first = &observe.Observation{}, true
	}
	t.before = now
	return d
}

type differ struct {
	before, now *observe.Observation
	first       bool
	lines       []string
}

func (d *differ) say(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *differ) kubelet() {
	if d.now.Kubelet != d.before.Kubelet || d.now.Started {
		d.say("kubelet %s", d.now.Kubelet)
	}
	if d.now.KubeletError != "" && (d.now.KubeletError != d.before.KubeletError || d.now.Kubelet != d.before.Kubelet || d.now.Started) {
		for i, line := range strings.Split(strings.TrimSpace(d.now.KubeletError), "\n") {
			if i == 0 {
				line = "error: " + line
			} else {
				line = "       " + line
			}
			d.say("%s", line)
		}
	}
}

// config tells of the configuration when a kubelet uses it: one that is
// stopped has none.
func (d *differ) config(t *teller) {
	if d.now.Kubelet == observe.KubeletStopped {
		return
	}
	was, is := t.config, d.now.Config
	if d.now.Kubelet == observe.KubeletFailed && is.Reserved == "" {
		is.Reserved = was.Reserved // it has not come so far
	}
	t.config = is
	var words []string
	add := func(name, before, now string) {
		if before != now {
			words = append(words, name+" "+orNone(now))
		}
	}
	add("CPU manager", was.CPUManagerPolicy, is.CPUManagerPolicy)
	for _, name := range slices.Sorted(maps.Keys(union(was.CPUManagerPolicyOptions, is.CPUManagerPolicyOptions))) {
		add(name, was.CPUManagerPolicyOptions[name], is.CPUManagerPolicyOptions[name])
	}
	add("topology manager", was.TopologyManagerPolicy, is.TopologyManagerPolicy)
	if is.TopologyManagerPolicy != "none" {
		add("scope", was.TopologyManagerScope, is.TopologyManagerScope)
	}
	add("memory manager", was.MemoryManagerPolicy, is.MemoryManagerPolicy)
	add("reserved", string(was.Reserved), string(is.Reserved))
	if len(words) > 0 {
		d.say("config: %s", strings.Join(words, ", "))
	}
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return all
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// admissions tells the answers. After a restart every pod is asked again, and
// mostly the answer is the same: these share a line.
func (d *differ) admissions() {
	var again []string
	for _, a := range d.now.Admissions {
		if a.Admitted && a.Readmission {
			again = append(again, a.Pod)
		}
	}
	if len(again) > 0 {
		d.say("admitted again: %s", strings.Join(again, ", "))
	}
	for _, a := range d.now.Admissions {
		if !a.Admitted || !a.Readmission {
			d.say("%s", admissionText(a))
		}
	}
}

// admissionText is the kubelet's answer in one line.
func admissionText(a observe.Admission) string {
	text := "admitted " + a.Pod
	if !a.Admitted {
		text = "rejected " + a.Pod + ": " + a.Reason
		if a.Message != "" {
			text += ": " + strings.Join(strings.Fields(a.Message), " ")
		}
	}
	if a.Readmission {
		text += " (again)"
	}
	return text
}

func (d *differ) machine() {
	if d.now.Online != d.before.Online && !d.first {
		d.say("online %s → %s", listOr(d.before.Online, "none"), listOr(d.now.Online, "none"))
	}
}

func (d *differ) containers() {
	was := map[string]*observe.Container{}
	for i := range d.before.Containers {
		was[d.before.Containers[i].Ref()] = &d.before.Containers[i]
	}
	for i := range d.now.Containers {
		c := &d.now.Containers[i]
		if old := was[c.Ref()]; old == nil {
			d.newContainer(c)
		} else {
			d.changedContainer(old, c)
		}
		delete(was, c.Ref())
	}
	for i := range d.before.Containers { // in their order
		if c := &d.before.Containers[i]; was[c.Ref()] != nil {
			d.say("%s gone", c.Ref())
		}
	}
}

func (d *differ) newContainer(c *observe.Container) {
	name := c.Ref()
	if c.Kind != observe.KindApp && c.Kind != "" {
		name += " (" + string(c.Kind) + ")"
	}
	words := []string{string(c.State)}
	words = append(words, d.placeWords(c)...)
	if drifted(c) {
		words = append(words, "cgroup "+listOr(c.Actual, "empty"))
	}
	if c.Mems != "" {
		words = append(words, "mems "+string(c.Mems))
	}
	if len(c.Devices) > 0 {
		words = append(words, "devices "+strings.Join(c.Devices, " "))
	}
	text := name + " " + strings.Join(words, ", ")
	if c.Reason != "" {
		text += ": " + c.Reason
	}
	d.say("%s", text)
}

// placeWords say where a container runs.
func (d *differ) placeWords(c *observe.Container) []string {
	switch cpus := containerCPUs(d.now, c); {
	case c.Assigned == "":
		return nil
	case c.Exclusive:
		words := []string{"exclusive " + cpus}
		if len(c.NUMANodes) > 0 {
			words = append(words, numaText(c.NUMANodes))
		}
		return words
	case owners.PodShared(d.now, c):
		return []string{"in its pod's pool " + string(c.Assigned)}
	default:
		return []string{cpus}
	}
}

func numaText(nodes []int) string {
	if len(nodes) == 1 {
		return fmt.Sprintf("node %d", nodes[0])
	}
	return "nodes " + intList(nodes)
}

func intList(ids []int) string { return cpuset.New(ids...).String() }

// drifted says that a cgroup is not what the manager says, where it says
// anything.
func drifted(c *observe.Container) bool {
	return c.State == observe.StateRunning && c.Assigned != "" && c.Actual != c.Assigned
}

func (d *differ) changedContainer(old, c *observe.Container) {
	var words []string
	if old.State != c.State {
		words = append(words, fmt.Sprintf("%s → %s", old.State, c.State))
	}
	if before, after := d.pooled(d.before, old), d.pooled(d.now, c); old.Exclusive != c.Exclusive || before != after || (!after && old.Assigned != c.Assigned) {
		place := d.placeWords(c)
		if place == nil {
			place = []string{"no CPUs assigned"}
		}
		if old.Exclusive && c.Exclusive {
			place[0] = fmt.Sprintf("exclusive %s → %s", old.Assigned, c.Assigned)
		}
		words = append(words, place...)
	}
	words = append(words, driftWords(old, c)...)
	if old.Mems != c.Mems {
		words = append(words, "mems "+listOr(c.Mems, "any"))
	}
	if !slices.Equal(old.Devices, c.Devices) {
		words = append(words, "devices "+orNone(strings.Join(c.Devices, " ")))
	}
	reason := ""
	if old.Reason != c.Reason && c.Reason != "" {
		reason = ": " + c.Reason
	}
	if len(words) > 0 || reason != "" {
		d.say("%s", strings.TrimSuffix(c.Ref()+" "+strings.Join(words, ", "), " ")+reason)
	}
}

// pooled says that a container is in the node's shared pool.
func (d *differ) pooled(o *observe.Observation, c *observe.Container) bool {
	return !c.Exclusive && c.Assigned == o.SharedPool
}

// driftWords tell of the cgroup where it is worth telling: when it differs
// from the assignment, or has come to agree with it.
func driftWords(old, c *observe.Container) []string {
	switch {
	case drifted(c) && !drifted(old) && old.Actual == c.Actual:
		return []string{"cgroup still " + listOr(c.Actual, "empty")}
	case drifted(c) && old.Actual != c.Actual:
		return []string{"cgroup " + listOr(c.Actual, "empty")}
	case !drifted(c) && drifted(old) && c.State == observe.StateRunning && c.Assigned != "":
		return []string{"cgroup as assigned"}
	}
	return nil
}

func (d *differ) pool() {
	switch was, is := d.before.SharedPool, d.now.SharedPool; {
	case was == is:
	case was == "":
		d.say("shared pool %s", is)
	default:
		d.say("shared pool %s → %s", was, listOr(is, "empty"))
	}
}

func (d *differ) stale() {
	for _, a := range d.now.Stale {
		if !slices.Contains(d.before.Stale, a) {
			d.say("entry of %s/%s without a pod, holding %s", a.Pod, a.Container, a.CPUs)
		}
	}
	for _, a := range d.before.Stale {
		if !slices.ContainsFunc(d.now.Stale, func(b observe.Assignment) bool { return a.Pod == b.Pod && a.Container == b.Container }) {
			d.say("entry of %s/%s released", a.Pod, a.Container)
		}
	}
}

func (d *differ) checkpoint() {
	was, is := checkpointText(d.before), checkpointText(d.now)
	if d.first && is == "as the manager" {
		return
	}
	if was != is {
		d.say("state file: %s", is)
	}
}

// checkpointText says how the state file differs from what the manager says.
func checkpointText(o *observe.Observation) string {
	file := o.Checkpoint
	switch {
	case o.CheckpointError != "":
		return "unreadable: " + o.CheckpointError
	case file == nil:
		return "none"
	case file.Policy != o.Config.CPUManagerPolicy:
		return "of policy " + orNone(file.Policy)
	}
	manager := map[[2]string]observe.CPUs{}
	for i := range o.Containers {
		if c := &o.Containers[i]; c.Assigned != "" && (c.Exclusive || owners.PodShared(o, c)) {
			manager[[2]string{c.Pod, c.Container}] = c.Assigned
		}
	}
	for _, a := range o.Stale {
		manager[[2]string{a.Pod, a.Container}] = a.CPUs
	}
	var words []string
	if file.Policy == "static" && file.SharedPool != o.SharedPool {
		words = append(words, "shared pool "+listOr(file.SharedPool, "empty"))
	}
	for _, a := range file.Entries {
		key := [2]string{a.Pod, a.Container}
		if cpus, ok := manager[key]; !ok || cpus != a.CPUs {
			words = append(words, fmt.Sprintf("%s/%s %s", a.Pod, a.Container, listOr(a.CPUs, "empty")))
		}
		delete(manager, key)
	}
	for _, key := range slices.SortedFunc(maps.Keys(manager), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		words = append(words, fmt.Sprintf("no %s/%s", key[0], key[1]))
	}
	if len(words) == 0 {
		return "as the manager"
	}
	return "stale: " + strings.Join(words, ", ")
}

func (d *differ) memory() {
	was := map[int]observe.NUMAMemory{}
	for _, n := range d.before.NUMAMemory {
		was[n.Node] = n
	}
	for _, n := range d.now.NUMAMemory {
		old, known := was[n.Node]
		if known && old.Reserved == n.Reserved && old.Free == n.Free && slices.Equal(old.Group, n.Group) {
			continue
		}
		text := fmt.Sprintf("memory of node %d: %s free of %s", n.Node, bytesText(n.Free), bytesText(n.Allocatable))
		if len(n.Group) > 1 {
			text += ", handed out with nodes " + intList(n.Group)
		}
		d.say("%s", text)
	}
}

// bytesText writes a size in the largest unit that keeps it exact.
func bytesText(n uint64) string {
	units := []string{"", "Ki", "Mi", "Gi", "Ti"}
	unit := 0
	for n > 0 && n%1024 == 0 && unit < len(units)-1 {
		n /= 1024
		unit++
	}
	return fmt.Sprintf("%d%s", n, units[unit])
}
