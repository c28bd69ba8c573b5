package explain

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/sim/observe"
)

// candidate is a changed pod that may get pinned. Whether it does, the
// managers are asked.
type candidate struct {
	pod   *corev1.Pod
	notes []string
	// These are containers, as people name them: those whose amounts are a
	// guess or cost nothing, and those that get lower limits.
	guessed, free, throttled, killed []string
}

func (c *candidate) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// finish says of all containers what a change means for them.
func (c *candidate) finish() {
	for _, n := range []struct {
		who  []string
		text string
	}{
		{c.free, "for %s this costs nothing: a pod takes the larger of what its init containers need and what the others need together"},
		{c.guessed, "the amounts for %s are a guess: put in what is needed"},
		{c.throttled, "the lower cpu limit throttles %s"},
		{c.killed, "the lower memory limit kills %s beyond it"},
	} {
		if len(n.who) > 0 {
			c.note(n.text, listWords(n.who))
		}
	}
}

// add adds a name once.
func add(list *[]string, name string) {
	if !slices.Contains(*list, name) {
		*list = append(*list, name)
	}
}

// Amounts for containers that say nothing of themselves.
const (
	someMemory = "128Mi"
	someCPU    = "100m"
)

// direction says how requests and limits that differ are made equal.
type direction int

const (
	lower direction = iota // limits = requests
	raise                  // requests = limits
)

// recipe says how a candidate is made.
type recipe struct {
	// main and other are for the cpu of the containers that are to be pinned
	// and of those that only have to let them; memory for the memory of all.
	main, other, memory direction
	up                  bool // fractions are rounded up
	ownResources        bool // pod-level resources go to the containers
}

// recipes are in the order of preference: what takes nothing from a container
// comes first. A container to be pinned cannot use more CPUs than its own, so
// that lowering its limit to its request takes nothing from it.
func recipes(podLevel bool) []recipe {
	list := []recipe{
		{main: lower, other: raise, memory: raise, up: true},
		{main: raise, other: raise, memory: raise, up: true},
		{main: lower, other: lower, memory: lower, up: true},
		{main: lower, other: raise, memory: raise},
		{main: lower, other: lower, memory: lower},
	}
	if podLevel {
		for _, r := range slices.Clone(list) {
			r.ownResources = true
			list = append(list, r)
		}
	}
	return list
}

// candidates changes a pod in every way that may get it pinned. CPUs come in
// multiples of group.
func candidates(pod *corev1.Pod, group int) []candidate {
	var list []candidate
	for _, r := range recipes(hasPodLevel(pod)) {
		c := candidate{pod: pod.DeepCopy()}
		c.make(r, group)
		c.finish()
		if !slices.ContainsFunc(list, func(o candidate) bool { return samePod(o.pod, c.pod) }) && !samePod(pod, c.pod) {
			list = append(list, c)
		}
	}
	return list
}

func samePod(a, b *corev1.Pod) bool {
	return sameResources(a.Spec.Resources, b.Spec.Resources) && slices.EqualFunc(containers(a), containers(b), func(a, b ctr) bool {
		return sameResources(&a.spec.Resources, &b.spec.Resources)
	})
}

func sameResources(a, b *corev1.ResourceRequirements) bool {
	if a == nil || b == nil {
		return a == b
	}
	return len(listEdits(a, b)) == 0 && len(listEdits(b, a)) == 0
}

func (c *candidate) make(r recipe, group int) {
	want := intended(c.pod)
	own := hasPodLevel(c.pod) && r.ownResources
	if own {
		c.handDown(want[0])
	} else if hasPodLevel(c.pod) {
		c.equal("the pod", c.pod.Spec.Resources, r.main, r.memory, false)
		c.whole(c.pod.Spec.Resources, "the pod", group, true)
	}
	names := map[string]bool{}
	for _, w := range want {
		names[w.spec.Name] = true
		c.fill(w, resource.NewQuantity(int64(group), resource.DecimalSI), resource.MustParse(someMemory), true)
		c.equal(w.who(), &w.spec.Resources, r.main, r.memory, true)
		c.whole(&w.spec.Resources, w.who(), group, r.up)
	}
	if hasPodLevel(c.pod) {
		return // the others need not say anything
	}
	main := want[0].spec.Resources.Requests
	for _, o := range containers(c.pod) {
		if names[o.spec.Name] {
			continue
		}
		if o.kind == observe.KindInit {
			c.fill(o, new(main[corev1.ResourceCPU]), main[corev1.ResourceMemory], false)
		} else {
			c.fill(o, new(resource.MustParse(someCPU)), resource.MustParse(someMemory), true)
		}
		c.equal(o.who(), &o.spec.Resources, r.other, r.memory, false)
		if q := o.cpuRequest(); group > 1 && q.MilliValue()%1000 == 0 {
			c.whole(&o.spec.Resources, o.who(), group, true)
		}
	}
}

// handDown takes a pod's own resources away and gives them to its main container, less what the
// others request.
func (c *candidate) handDown(main ctr) {
	from := c.pod.Spec.Resources
	c.pod.Spec.Resources = nil
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		q, ok := from.Limits[name]
		if !ok {
			if q, ok = from.Requests[name]; !ok {
				continue
			}
		}
		q = q.DeepCopy()
		for _, o := range containers(c.pod) {
			if o.spec.Name != main.spec.Name && o.lasting() {
				q.Sub(o.spec.Resources.Requests[name])
			}
		}
		if !has(&main.spec.Resources, name) && q.Sign() > 0 {
			set(&main.spec.Resources, name, q)
		}
	}
}

// fill gives a container the cpu and memory that it says nothing of.
func (c *candidate) fill(w ctr, cpu *resource.Quantity, memory resource.Quantity, guess bool) {
	filled := false
	for name, q := range map[corev1.ResourceName]resource.Quantity{corev1.ResourceCPU: *cpu, corev1.ResourceMemory: memory} {
		if !has(&w.spec.Resources, name) {
			set(&w.spec.Resources, name, q)
			filled = true
		}
	}
	switch {
	case filled && guess:
		add(&c.guessed, w.who())
	case filled:
		add(&c.free, w.who())
	}
}

func has(r *corev1.ResourceRequirements, name corev1.ResourceName) bool {
	request, limit := r.Requests[name], r.Limits[name]
	return !request.IsZero() || !limit.IsZero()
}

// set sets request and limit.
func set(r *corev1.ResourceRequirements, name corev1.ResourceName, q resource.Quantity) {
	if r.Requests == nil {
		r.Requests = corev1.ResourceList{}
	}
	if r.Limits == nil {
		r.Limits = corev1.ResourceList{}
	}
	r.Requests[name], r.Limits[name] = q.DeepCopy(), q.DeepCopy()
}

// equal makes requests and limits equal. pinned says that the container is to
// get CPUs of its own.
func (c *candidate) equal(who string, r *corev1.ResourceRequirements, cpu, memory direction, pinned bool) {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		dir := cpu
		if name == corev1.ResourceMemory {
			dir = memory
		}
		request, limit := r.Requests[name], r.Limits[name]
		switch {
		case request.IsZero() && limit.IsZero(), request.Cmp(limit) == 0:
		case limit.IsZero():
			set(r, name, request)
		case request.IsZero(), dir == raise:
			set(r, name, limit)
		default:
			set(r, name, request)
			switch {
			case name == corev1.ResourceMemory:
				add(&c.killed, who)
			case !pinned: // a container on CPUs of its own cannot use more anyway
				add(&c.throttled, who)
			}
		}
	}
}

// whole rounds a container's CPUs to a multiple of group.
func (c *candidate) whole(r *corev1.ResourceRequirements, who string, group int, up bool) {
	q, step := r.Requests[corev1.ResourceCPU], int64(group)*1000
	over := q.MilliValue() % step
	if over == 0 {
		return
	}
	to := q.MilliValue() - over
	if up || to == 0 {
		to += step
	} else {
		c.note("%s gets less than the %s it asks for", who, q.String())
	}
	set(r, corev1.ResourceCPU, *resource.NewQuantity(to/1000, resource.DecimalSI))
}

// capped limits the CPUs, or the memory, of the containers to be pinned.
func capped(pod *corev1.Pod, name corev1.ResourceName, most resource.Quantity) candidate {
	c := candidate{pod: pod.DeepCopy()}
	for _, w := range intended(c.pod) {
		if q := w.spec.Resources.Requests[name]; q.Cmp(most) > 0 {
			set(&w.spec.Resources, name, most)
		}
	}
	return c
}
