package verify

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/sim/observe"
)

// checkContainers looks at single containers: threads, sandboxes, and those
// that nobody names.
func (a *audit) checkContainers() {
	byEntry, all := a.owned()
	sandboxes, onCPUs := 0, cpuset.New()
	for i := range a.report.Containers {
		c := &a.report.Containers[i]
		actual := a.actual(c)
		if !c.Runs() || actual == nil {
			continue
		}
		if c.Sandbox {
			if on := actual.Set().Intersection(all); !on.IsEmpty() {
				sandboxes++
				onCPUs = onCPUs.Union(on)
			}
			continue
		}
		var odd []string
		for _, t := range c.Threads {
			if t.CPUs != *actual {
				odd = append(odd, fmt.Sprintf("%s on %s", count(t.Threads, "thread"), list(t.CPUs)))
			}
		}
		if len(odd) > 0 {
			f := Finding{What: fmt.Sprintf("%s: its cgroup allows %s, and it has %s", c.Ref(), list(*actual), strings.Join(odd, ", ")), Where: []string{c.Ref()}}
			if out := a.outside(c, *actual); !out.IsEmpty() {
				f.Severity, f.CPUs = Critical, observe.FromSet(out)
				f.Why = "threads may run on CPUs that their cgroup does not allow: the kernel has not moved them"
				f.Remedy = again
			}
			a.find(ThreadsInCgroup, f)
		}
		if a.nameless(c) {
			a.checkNameless(c, *actual, byEntry)
		}
	}
	if sandboxes > 0 {
		a.find(Sandboxes, Finding{What: fmt.Sprintf("%s may run on exclusive CPUs", count(sandboxes, "sandbox")), CPUs: observe.FromSet(onCPUs)})
	}
}

func (a *audit) outside(c *Container, actual observe.CPUs) cpuset.CPUSet {
	out := cpuset.New()
	for _, t := range c.Threads {
		out = out.Union(t.CPUs.Set().Difference(actual.Set()))
	}
	return out.Intersection(a.online)
}

// checkNameless judges a container of a pod with entries without knowing which
// of them it is: it must have one of them, or the shared pool.
func (a *audit) checkNameless(c *Container, actual observe.CPUs, byEntry map[key]cpuset.CPUSet) {
	if a.settling || actual == a.state.shared || actual == observe.FromSet(a.state.shared.Set().Intersection(a.online)) {
		return
	}
	var entries []string
	for name, cpus := range a.state.entriesOf(c.PodUID) {
		if actual == cpus || actual == observe.FromSet(cpus.Set().Intersection(a.online)) {
			return
		}
		entries = append(entries, fmt.Sprintf("%s %s", name, cpus))
	}
	slices.Sort(entries)
	f := Finding{
		What: fmt.Sprintf("%s runs on %s, which is neither an entry of its pod (%s) nor the shared pool %s",
			c.Ref(), list(actual), strings.Join(entries, ", "), list(a.state.shared)),
		Where: []string{c.Ref()},
	}
	foreign := cpuset.New()
	for k, cpus := range byEntry {
		if k.uid != c.PodUID {
			foreign = foreign.Union(cpus.Intersection(actual.Set()))
		}
	}
	f.CPUs = observe.FromSet(foreign)
	a.find(NamelessInSync, f)
}

// checkEntries looks at entries whose container does not run, and at siblings.
func (a *audit) checkEntries() {
	byEntry, _ := a.owned()
	keys := slices.SortedFunc(maps.Keys(byEntry), key.compare)
	running, vague := map[key]bool{}, map[string]bool{}
	for i := range a.report.Containers {
		c := &a.report.Containers[i]
		if c.Runs() {
			running[key{c.PodUID, c.Container}] = true
		}
		vague[c.PodUID] = vague[c.PodUID] || a.nameless(c) || c.Running == nil
	}
	pods := a.pods()
	ref := func(k key) string { return cmp.Or(pods[k.uid], k.uid) + "/" + k.name }
	used := map[string]cpuset.CPUSet{} // by those of a pod that run
	for _, k := range keys {
		if running[k] {
			used[k.uid] = used[k.uid].Union(byEntry[k])
		}
	}
	for _, k := range keys {
		if running[k] || vague[k.uid] {
			continue
		}
		if idle := byEntry[k].Difference(used[k.uid]); !idle.IsEmpty() {
			a.find(IdleEntries, Finding{
				What:  fmt.Sprintf("%s holds %s and does not run", ref(k), list(observe.FromSet(byEntry[k]))),
				Where: []string{ref(k)}, CPUs: observe.FromSet(idle),
			})
		}
	}
	if a.profile == nil || strings.EqualFold(a.kc.CPUManagerPolicyOptions["full-pcpus-only"], "true") {
		return // then it is the matter of an invariant
	}
	shared := a.state.shared.Set()
	holders := map[int]map[string]key{} // one of each pod, by CPU
	for _, k := range keys {
		for _, id := range byEntry[k].UnsortedList() {
			if holders[id] == nil {
				holders[id] = map[string]key{}
			}
			holders[id][k.uid] = k
		}
	}
	for _, k := range keys {
		var with []string
		own, cpus := byEntry[k], cpuset.New()
		for _, id := range own.List() {
			c, ok := a.profile.CPU(id)
			if !ok {
				continue
			}
			for _, sibling := range c.Siblings.Difference(own).List() {
				owner := ""
				if shared.Contains(sibling) {
					owner = "the shared pool"
				}
				for _, uid := range slices.Sorted(maps.Keys(holders[sibling])) {
					if uid != k.uid {
						owner = ref(holders[sibling][uid])
					}
				}
				if owner != "" {
					cpus = cpus.Union(cpuset.New(id))
					if !slices.Contains(with, owner) {
						with = append(with, owner)
					}
				}
			}
		}
		if len(with) > 0 {
			a.find(Siblings, Finding{
				What:  fmt.Sprintf("%s shares cores with %s", ref(k), strings.Join(with, ", ")),
				Where: []string{ref(k)}, CPUs: observe.FromSet(cpus),
			})
		}
	}
}

// hostGroup are processes of one cgroup outside of the containers.
type hostGroup struct {
	names map[string]int
	cpus  cpuset.CPUSet // exclusive ones that they may run on
}

// checkHost looks for processes and kernel threads outside of the containers
// that may run on exclusive CPUs.
func (a *audit) checkHost() {
	byEntry, all := a.owned()
	if all.IsEmpty() {
		return
	}
	pids, err := a.reader.PIDs()
	if err != nil {
		a.lacks("processes", err)
		return
	}
	inside := map[int]bool{}
	for _, g := range a.groups {
		for _, p := range g.Processes {
			inside[p.PID] = true
		}
	}
	unread, why := 0, error(nil)
	skip := func(err error) {
		if gone(err) {
			return
		}
		if unread++; why == nil {
			why = cause(err)
		}
	}
	groups, threads, on, kernel := map[string]*hostGroup{}, 0, cpuset.New(), cpuset.New()
	for _, pid := range pids {
		if inside[pid] || a.self(pid) {
			continue
		}
		rel, err := a.reader.PathOf(pid, a.version)
		if err != nil {
			skip(err) // it may be a container's
			continue
		}
		if _, _, contained := cgroup.ContainerOf(rel); contained {
			continue
		}
		p, err := a.reader.Process(pid)
		isKernel := false
		if err == nil {
			isKernel, err = a.reader.KernelThread(pid)
		}
		if err != nil {
			skip(err)
			continue
		}
		touched := cpuset.New()
		for cpus := range p.Threads {
			touched = touched.Union(cpus.Set().Intersection(all))
		}
		if touched.IsEmpty() {
			continue
		}
		if isKernel {
			if len(p.Threads) == 1 && onlyKey(p.Threads).Set().Size() > 1 {
				threads++
				kernel = kernel.Union(touched)
			}
			continue
		}
		g := groups[groupName(rel)]
		if g == nil {
			g = &hostGroup{names: map[string]int{}, cpus: cpuset.New()}
			groups[groupName(rel)] = g
		}
		g.names[p.Name]++
		g.cpus = g.cpus.Union(touched)
		on = on.Union(touched)
	}
	if unread > 0 {
		a.unread(fmt.Sprintf("%s of the host", count(unread, "process")), why)
	}
	if len(groups) > 0 {
		processes, where := 0, []string{}
		for _, rel := range slices.Sorted(maps.Keys(groups)) {
			for _, n := range groups[rel].names {
				processes += n
			}
			where = append(where, groups[rel].describe(rel))
		}
		a.find(HostProcesses, Finding{
			What:  fmt.Sprintf("%s outside of containers may run on the exclusive CPUs of %s", count(processes, "process"), strings.Join(a.owners(byEntry, on), ", ")),
			Where: where, CPUs: observe.FromSet(on),
		})
	}
	if threads > 0 {
		a.find(KernelThreads, Finding{What: fmt.Sprintf("%s not bound to a CPU may run on exclusive CPUs", count(threads, "kernel thread")), CPUs: observe.FromSet(kernel)})
	}
}

// self says whether a process is the audit itself.
func (a *audit) self(pid int) bool {
	to, err := a.root.Resolve("proc/self")
	return err == nil && path.Base(to) == fmt.Sprint(pid)
}

func onlyKey(threads map[observe.CPUs]int) observe.CPUs {
	for cpus := range threads {
		return cpus
	}
	return ""
}

// groupName is a cgroup's path, without the sessions below a user's slice and
// the like: a service or the slice.
func groupName(rel string) string {
	if at := strings.Index(rel, ".service"); at >= 0 {
		return rel[:at+len(".service")]
	}
	return cmp.Or(rel, "(cgroup unread)")
}

func (g *hostGroup) describe(rel string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(g.names)) {
		if n := g.names[name]; n > 1 {
			name = fmt.Sprintf("%s (%d)", name, n)
		}
		parts = append(parts, name)
	}
	const most = 6
	if more := len(parts) - most; more > 0 {
		parts = append(parts[:most], fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("%s: %s on %s", rel, strings.Join(parts, ", "), observe.FromSet(g.cpus))
}

// owners are the entries with any of the CPUs.
func (a *audit) owners(byEntry map[key]cpuset.CPUSet, cpus cpuset.CPUSet) []string {
	pods := a.pods()
	var out []string
	for _, k := range slices.SortedFunc(maps.Keys(byEntry), key.compare) {
		if !byEntry[k].Intersection(cpus).IsEmpty() {
			out = append(out, cmp.Or(pods[k.uid], k.uid)+"/"+k.name)
		}
	}
	slices.Sort(out)
	return out
}

// checkInterrupts looks for interrupts on exclusive CPUs.
func (a *audit) checkInterrupts() {
	byEntry, all := a.owned()
	if all.IsEmpty() {
		return
	}
	delivered, allowed := []string{}, []string{}
	on, may := cpuset.New(), cpuset.New()
	for _, i := range a.readIRQs() {
		where := i.allowed
		if i.effective != nil {
			where = *i.effective
		}
		if cpus := where.Intersection(all); !cpus.IsEmpty() && i.effective != nil {
			delivered = append(delivered, fmt.Sprintf("%s on %s", i, where))
			on = on.Union(cpus)
		} else if cpus := i.allowed.Intersection(all); !cpus.IsEmpty() {
			allowed = append(allowed, fmt.Sprintf("%s on %s", i, i.allowed))
			may = may.Union(cpus)
		}
	}
	if len(delivered) > 0 {
		a.find(Interrupts, Finding{
			What:  fmt.Sprintf("%s delivered on exclusive CPUs of %s", isAre(len(delivered), "interrupt"), strings.Join(a.owners(byEntry, on), ", ")),
			Where: delivered, CPUs: observe.FromSet(on),
		})
	}
	if len(allowed) > 0 {
		a.find(Interrupts, Finding{
			Severity: Note, What: fmt.Sprintf("%s allowed on exclusive CPUs, though not known to be delivered there", isAre(len(allowed), "interrupt")),
			Where: allowed, CPUs: observe.FromSet(may),
			Why: "the kernel, or irqbalance, may deliver them there at any time",
		})
	}
}

// checkIsolation compares the kernel's isolation with the pools.
func (a *audit) checkIsolation() {
	byEntry, _ := a.owned()
	pods := a.pods()
	shared := a.state.shared.Set()
	if cpus := a.boot.isolated.Intersection(shared); !cpus.IsEmpty() {
		a.find(IsolatedShared, Finding{What: fmt.Sprintf("the shared pool %s has isolated CPUs %s", a.state.shared, cpus), CPUs: observe.FromSet(cpus), Where: []string{"isolcpus=" + a.boot.isolated.String()}})
	}
	if cpus := a.boot.nohzFull.Intersection(shared); !cpus.IsEmpty() {
		a.find(NoHzShared, Finding{What: fmt.Sprintf("the shared pool %s has nohz_full CPUs %s", a.state.shared, cpus), CPUs: observe.FromSet(cpus), Where: []string{"nohz_full=" + a.boot.nohzFull.String()}})
	}
	for _, k := range slices.SortedFunc(maps.Keys(byEntry), key.compare) {
		if cpus := byEntry[k].Intersection(a.boot.isolated); cpus.Size() > 1 {
			ref := cmp.Or(pods[k.uid], k.uid) + "/" + k.name
			a.find(IsolatedBalanced, Finding{What: fmt.Sprintf("%s has isolated CPUs %s", ref, cpus), CPUs: observe.FromSet(cpus), Where: []string{ref}})
		}
	}
}

// checkMems compares the memory of containers with what they were given.
func (a *audit) checkMems() {
	for i := range a.report.Containers {
		c := &a.report.Containers[i]
		if c.AssignedMems == nil || !c.Runs() || c.Mems == nil || *c.Mems == *c.AssignedMems || a.kc.MemoryManagerPolicy != "Static" || a.settling {
			continue
		}
		a.find(MemoryInSync, Finding{
			What:  fmt.Sprintf("%s is assigned memory of NUMA nodes %s, its cgroup says %s", c.Ref(), *c.AssignedMems, list(*c.Mems)),
			Where: []string{c.Ref()},
		})
	}
}

// least is the memory below which it does not matter where it is, and remote
// the share from which on it does.
const (
	least  = 64 << 20
	remote = 0.1
)

func (a *audit) checkLocality() {
	for i := range a.report.Containers {
		c := &a.report.Containers[i]
		if c.Memory == nil || !c.Exclusive {
			continue
		}
		total := uint64(0)
		for _, bytes := range c.Memory.Bytes {
			total += bytes
		}
		if total < least || 1-c.Memory.Local <= remote {
			continue
		}
		a.find(MemoryLocal, Finding{
			What:  fmt.Sprintf("%s has %.0f%% of its %d MiB on NUMA nodes other than those of its CPUs %s", c.Ref(), 100*(1-c.Memory.Local), total>>20, *c.Assigned),
			Where: []string{c.Ref()}, CPUs: *c.Assigned,
		})
	}
}

func count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "ss"), strings.HasSuffix(what, "x"):
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func isAre(n int, what string) string {
	if n == 1 {
		return count(n, what) + " is"
	}
	return count(n, what) + " are"
}

// list shows a set that may be empty.
func list(cpus observe.CPUs) string {
	if cpus == "" {
		return "(none)"
	}
	return string(cpus)
}
