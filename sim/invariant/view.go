package invariant

import (
	"slices"
	"strconv"

	"github.com/pinlab/pinlab/sim/observe"
)

// view is an observation with its lists parsed, grouped by pod.
type view struct {
	o *observe.Observation
	// managed says that a CPU manager with the static policy is at work: only
	// then does anyone promise anything.
	managed bool

	shared, online, reserved set
	containers               []container
	stale                    []staleEntry
	// podSets are the sets of o.PodCPUs.
	podSets []set
	// held is the union of all holdings, Stale ones and whole pods' included.
	held set

	pods map[string]int
}

// staleEntry is an entry of the manager's state without a container.
type staleEntry struct {
	*observe.Assignment
	cpus set
	// shown says that the node still shows a container of this name with these
	// CPUs, one of a pod that has ended or was rejected. Its CPUs are not held
	// twice then.
	shown bool
}

// ref names the entry.
func (s *staleEntry) ref() string { return s.Pod + "/" + s.Container }

// container is one container with its sets.
type container struct {
	*observe.Container
	// pod numbers the pods in the order of their first container.
	pod              int
	assigned, actual set
	// holds says that the manager keeps an entry for the container: its own
	// CPUs, or those of its pod's pool.
	holds bool
}

func (c *container) running() bool { return c.State == observe.StateRunning }

// ends says that the container comes to an end before the ones after it in
// its pod start, so that they may have its CPUs.
func (c *container) ends() bool { return c.Kind == observe.KindInit }

// podShared says that the container runs on its pod's pool.
func (c *container) podShared() bool { return c.holds && c.PodShared }

// load parses an observation. The slices are used again for the next one.
func (v *view) load(o *observe.Observation, parse func(observe.CPUs) set) {
	v.o = o
	v.managed = o.Kubelet == observe.KubeletRunning && o.Config.CPUManagerPolicy == "static"
	v.shared, v.online, v.reserved = parse(o.SharedPool), parse(o.Online), parse(o.Config.Reserved)

	v.containers, v.stale, v.podSets = v.containers[:0], v.stale[:0], v.podSets[:0]
	clear(v.held)
	clear(v.pods)
	grouped, pod := true, -1
	for i := range o.Containers {
		c := &o.Containers[i]
		if i == 0 || c.Pod != o.Containers[i-1].Pod {
			known, ok := v.pods[c.Pod]
			if !ok {
				known = len(v.pods)
				v.pods[c.Pod] = known
			}
			grouped = grouped && !ok
			pod = known
		}
		entry := container{Container: c, pod: pod, assigned: parse(c.Assigned), actual: parse(c.Actual)}
		entry.holds = c.Assigned != "" && (c.Exclusive || c.PodShared)
		if entry.holds {
			v.held = v.held.merge(entry.assigned)
		}
		v.containers = append(v.containers, entry)
	}
	if !grouped {
		slices.SortStableFunc(v.containers, func(a, b container) int { return a.pod - b.pod })
	}
	for i := range o.PodCPUs {
		cpus := parse(o.PodCPUs[i].CPUs)
		v.podSets = append(v.podSets, cpus)
		v.held = v.held.merge(cpus)
	}
	for i := range o.Stale {
		gone := staleEntry{Assignment: &o.Stale[i], cpus: parse(o.Stale[i].CPUs)}
		gone.shown = v.shows(gone.Assignment)
		v.stale = append(v.stale, gone)
		v.held = v.held.merge(gone.cpus)
	}
}

// shows says whether a container has the entry's name and CPUs.
func (v *view) shows(a *observe.Assignment) bool {
	if _, known := v.pods[a.Pod]; !known {
		return false
	}
	return slices.ContainsFunc(v.containers, func(c container) bool {
		return c.holds && c.Container.Container == a.Container && c.Pod == a.Pod && c.Assigned == a.CPUs
	})
}

// asOne is the set that was taken for a pod as a whole, empty when there is none.
func (v *view) asOne(pod string) set {
	i := slices.IndexFunc(v.o.PodCPUs, func(a observe.Assignment) bool { return a.Pod == pod })
	if i < 0 {
		return nil
	}
	return v.podSets[i]
}

// eachPod yields the containers pod by pod.
func (v *view) eachPod(yield func([]container) bool) {
	for first := 0; first < len(v.containers); {
		last := first + 1
		for last < len(v.containers) && v.containers[last].pod == v.containers[first].pod {
			last++
		}
		if !yield(v.containers[first:last]) {
			return
		}
		first = last
	}
}

// option reads a CPU manager policy option as the kubelet does.
func (v *view) option(name string) bool {
	on, err := strconv.ParseBool(v.o.Config.CPUManagerPolicyOptions[name])
	return err == nil && on
}

// The CPU manager policy options that promise something.
const (
	optionFullPCPUsOnly = "full-pcpus-only"
	optionStrictReserve = "strict-cpu-reservation"
	optionAlignBySocket = "align-by-socket"
	optionAcrossNUMA    = "distribute-cpus-across-numa"
	optionAcrossCores   = "distribute-cpus-across-cores"
	optionUncoreCache   = "prefer-align-cpus-by-uncorecache"
)
