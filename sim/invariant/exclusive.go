package invariant

import "github.com/pinlab/pinlab/sim/observe"

// exclusiveDisjoint first asks in one pass whether there is any overlap, and
// looks for the pairs only then.
func exclusiveDisjoint(k *Checker) {
	v := &k.view
	if !v.managed || !k.anyOverlap() {
		return
	}
	all := v.containers
	twice := v.heldByTwoPods()
	for i := range all {
		// An entry that no other pod's meets, and that those after it in its own
		// pod may share, need not be compared: of a file with very many entries
		// that leaves only those which are told of.
		a := &all[i]
		others := a.assigned.intersects(twice)
		if !a.holds || !others && a.ends() && !a.running() {
			continue
		}
		for j := i + 1; j < len(all) && (others || all[j].pod == a.pod); j++ {
			if k.enough() {
				return
			}
			if b := &all[j]; collide(a, b) {
				k.violated("%s and %s both hold %s", a.Ref(), b.Ref(), a.assigned.and(b.assigned).cpus())
			}
		}
	}
	var taken set
	for i := range all {
		if all[i].holds {
			taken = taken.merge(all[i].assigned)
		}
	}
	gone := v.goneTwice()
	for i := range v.stale {
		a := &v.stale[i]
		if a.shown {
			continue
		}
		for j := 0; j < len(all) && a.cpus.intersects(taken); j++ {
			if k.enough() {
				return
			}
			if all[j].holds && a.cpus.intersects(all[j].assigned) {
				k.violated("%s and %s, which is gone, both hold %s", all[j].Ref(), a.ref(), a.cpus.and(all[j].assigned).cpus())
			}
		}
		for j := i + 1; j < len(v.stale) && a.cpus.intersects(gone); j++ {
			if k.enough() {
				return
			}
			// Which containers of a pod that is gone ran one after the other, and
			// which shared the pod's CPUs, cannot be told any more.
			if b := &v.stale[j]; !b.shown && b.Pod != a.Pod && a.cpus.intersects(b.cpus) {
				k.violated("%s and %s, both gone, hold %s", a.ref(), b.ref(), a.cpus.and(b.cpus).cpus())
			}
		}
	}
}

// heldByTwoPods are the CPUs that containers of more than one pod hold.
func (v *view) heldByTwoPods() set {
	var all, twice set
	for pod := range v.eachPod {
		var own set
		for i := range pod {
			if pod[i].holds {
				own = own.merge(pod[i].assigned)
			}
		}
		twice = twice.merge(own.and(all))
		all = all.merge(own)
	}
	return twice
}

// goneTwice are the CPUs in entries of more than one pod that is gone.
func (v *view) goneTwice() set {
	pods := map[string]set{}
	for i := range v.stale {
		if a := &v.stale[i]; !a.shown {
			pods[a.Pod] = pods[a.Pod].merge(a.cpus)
		}
	}
	var all, twice set
	for _, own := range pods {
		twice = twice.merge(own.and(all))
		all = all.merge(own)
	}
	return twice
}

// collide says whether two containers, a before b, hold a CPU that they must
// not share.
func collide(a, b *container) bool {
	if !a.holds || !b.holds || !a.assigned.intersects(b.assigned) {
		return false
	}
	if a.pod != b.pod {
		return true
	}
	if a.podShared() && b.podShared() {
		return false
	}
	// What an init container used is free for those after it, unless it has
	// not come to its end.
	return !a.ends() || (a.running() && b.running())
}

// anyOverlap may say yes where collide, asked about every pair, says no; never
// the other way round.
func (k *Checker) anyOverlap() bool {
	v := &k.view
	taken := k.union
	clear(taken)
	defer func() { k.union = taken }()
	for pod := range v.eachPod {
		// lasting are the CPUs of this pod that later containers may not have.
		lasting := k.other
		clear(lasting)
		for i := range pod {
			c := &pod[i]
			if !c.holds {
				continue
			}
			if c.assigned.intersects(taken) || c.assigned.intersects(lasting) {
				return true
			}
			if !c.ends() || c.running() {
				lasting = lasting.merge(c.assigned)
			}
		}
		for i := range pod {
			if pod[i].holds {
				taken = taken.merge(pod[i].assigned)
			}
		}
		k.other = lasting
	}
	for i := range v.stale {
		gone := &v.stale[i]
		if gone.shown {
			continue
		}
		if gone.cpus.intersects(taken) {
			return true
		}
		taken = taken.merge(gone.cpus)
	}
	return false
}

// exclusiveIsolated compares cgroups with assignments. It does without a
// running kubelet: the cgroups of running containers go on to count.
func exclusiveIsolated(k *Checker) {
	v := &k.view
	if !v.o.Reconciled || v.o.Config.CPUManagerPolicy != "static" {
		return
	}
	owned := k.union
	clear(owned)
	twice := false
	for i := range v.containers {
		if c := &v.containers[i]; c.holds && c.running() {
			twice = twice || c.assigned.intersects(owned)
			owned = owned.merge(c.assigned)
		}
	}
	k.union = owned
	for i := range v.containers {
		intruder := &v.containers[i]
		if !intruder.running() || !intruder.actual.intersects(owned) {
			continue
		}
		if !twice && intruder.holds && !intrudes(intruder, owned) {
			continue
		}
		for j := range v.containers {
			owner := &v.containers[j]
			if i == j || !owner.holds || !owner.running() || !intruder.actual.intersects(owner.assigned) {
				continue
			}
			if owner.pod == intruder.pod && owner.podShared() && intruder.podShared() {
				continue
			}
			k.violated("%s can run on %s of %s: its cgroup says %s", intruder.Ref(),
				intruder.actual.and(owner.assigned).cpus(), owner.Ref(), intruder.Actual)
		}
	}
}

// intrudes says whether a container runs on owned CPUs that are not its own.
func intrudes(c *container, owned set) bool {
	for i, word := range c.actual {
		if i >= len(owned) {
			return false
		}
		word &= owned[i]
		if i < len(c.assigned) {
			word &^= c.assigned[i]
		}
		if word != 0 {
			return true
		}
	}
	return false
}

func reservedNotExclusive(k *Checker) {
	v := &k.view
	if !v.managed || v.reserved.empty() {
		return
	}
	if v.held.intersects(v.reserved) {
		for i := range v.containers {
			if c := &v.containers[i]; c.holds && c.assigned.intersects(v.reserved) {
				k.violated("%s holds %s of the reserved %s", c.Ref(), c.assigned.and(v.reserved).cpus(), v.o.Config.Reserved)
			}
		}
		for i := range v.stale {
			if gone := &v.stale[i]; !gone.shown && gone.cpus.intersects(v.reserved) {
				k.violated("%s, which is gone, holds %s of the reserved %s", gone.ref(), gone.cpus.and(v.reserved).cpus(), v.o.Config.Reserved)
			}
		}
	}
	if v.option(optionStrictReserve) {
		if v.shared.intersects(v.reserved) {
			k.violated("the shared pool %s has %s, reserved strictly", v.o.SharedPool, v.shared.and(v.reserved).cpus())
		}
		return
	}
	if v.reserved.within(v.shared) {
		return
	}
	missing := v.reserved.minus(v.shared)
	missing.subtract(v.held) // said above
	if !missing.empty() {
		k.violated("reserved %s missing from the shared pool %s", missing.cpus(), poolText(v.o.SharedPool))
	}
}

func exclusiveCount(k *Checker) {
	v := &k.view
	if !v.managed {
		return
	}
	for i := range v.containers {
		switch c := &v.containers[i]; {
		case c.Exclusive && c.Requested == 0 && !c.assigned.empty():
			// It got them under another configuration.
			k.violated("%s holds %s of its own, which it is not owed: %s", c.Ref(), c.Assigned, c.Reason)
		case c.Exclusive && c.assigned.size() != c.Requested:
			k.violated("%s asked for %d CPUs and holds %d: %s", c.Ref(), c.Requested, c.assigned.size(), poolText(c.Assigned))
		case !c.Exclusive && c.Requested > 0 && c.running():
			k.violated("%s runs, asked for %d CPUs and holds none of its own", c.Ref(), c.Requested)
		}
	}
}

// poolText shows a list that may be empty.
func poolText(list observe.CPUs) string {
	if list == "" {
		return "(empty)"
	}
	return string(list)
}
