package invariant

import "github.com/pinlab/pinlab/sim/observe"

// threadsInCgroup compares what the kernel was told with what it does. A
// simulated node has no kernel: all of this is empty there.
func threadsInCgroup(k *Checker) {
	v := &k.view
	for i := range v.containers {
		if c := &v.containers[i]; c.running() {
			k.confined(c.Ref(), c.actual, c.Configured, c.Threads)
		}
	}
	for _, s := range v.o.Sandboxes {
		k.confined("the sandbox of "+s.Pod, parseSet(s.Actual), s.Configured, s.Threads)
	}
}

func (k *Checker) confined(name string, actual set, configured observe.CPUs, threads []observe.CPUs) {
	given := parseSet(configured).and(k.view.online)
	if configured != "" && !(given.within(actual) && actual.within(given)) {
		k.violated("%s: its cgroup was given %s, and the kernel allows %s", name, configured, orNone(actual))
	}
	for _, cpus := range threads {
		if !parseSet(cpus).within(actual) {
			k.violated("%s: a thread may run on %s, its cgroup says %s", name, cpus, orNone(actual))
		}
	}
}

func orNone(s set) string {
	if s.empty() {
		return "no CPU"
	}
	return s.String()
}
