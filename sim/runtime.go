package sim

import (
	"fmt"

	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// runtime is the container runtime with its cgroups: what each container's
// cpuset really is, whatever the kubelet believes.
type runtime struct {
	online     observe.CPUs
	containers []*cgroup // in order of creation
	byID       map[string]*cgroup
	made       int
	effective  map[observe.CPUs]observe.CPUs // cpuset.cpus to cpuset.cpus.effective
	effOnline  observe.CPUs                  // the online set that effective is of
}

// cgroup is one container as the runtime has it.
type cgroup struct {
	kubelet.ContainerRef
	ref string // pod/container
	// cpus is cpuset.cpus, mems cpuset.mems; empty means inherited.
	cpus, mems observe.CPUs
}

func newRuntime() *runtime {
	return &runtime{byID: map[string]*cgroup{}, effective: map[observe.CPUs]observe.CPUs{}}
}

// create makes a container, not yet running.
func (r *runtime) create(podUID, podName, name string, cpus, mems observe.CPUs) *cgroup {
	r.made++
	c := &cgroup{
		ContainerRef: kubelet.ContainerRef{PodUID: podUID, Name: name, ID: fmt.Sprintf("%s_%s_%d", podName, name, r.made)},
		ref:          podName + "/" + name, cpus: cpus, mems: mems,
	}
	r.containers = append(r.containers, c)
	r.byID[c.ID] = c
	return c
}

// remove forgets a pod's containers.
func (r *runtime) remove(podUID string) {
	kept := r.containers[:0]
	for _, c := range r.containers {
		if c.PodUID == podUID {
			delete(r.byID, c.ID)
		} else {
			kept = append(kept, c)
		}
	}
	clear(r.containers[len(kept):])
	r.containers = kept
}

// replace forgets the ended container of the same name, as the kubelet's
// garbage collection does after a restart of the container.
func (r *runtime) replace(podUID, name string) {
	kept := r.containers[:0]
	for _, c := range r.containers {
		if c.PodUID == podUID && c.Name == name && !c.Running {
			delete(r.byID, c.ID)
		} else {
			kept = append(kept, c)
		}
	}
	clear(r.containers[len(kept):])
	r.containers = kept
}

// actual is the cgroup's cpuset.cpus.effective: what is online of cpuset.cpus,
// or everything online when that is empty (cgroup v2).
func (r *runtime) actual(c *cgroup) observe.CPUs {
	if c.cpus == "" {
		return r.online
	}
	if r.effOnline != r.online {
		clear(r.effective)
		r.effOnline = r.online
	}
	if e, ok := r.effective[c.cpus]; ok {
		return e
	}
	set := c.cpus.Set().Intersection(r.online.Set())
	e := r.online
	if !set.IsEmpty() {
		e = observe.FromSet(set)
	}
	if len(r.effective) > 256 {
		clear(r.effective)
	}
	r.effective[c.cpus] = e
	return e
}
