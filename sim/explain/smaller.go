package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// maxTrials bounds the sizes that are tried for one pod.
const maxTrials = 100

// smaller looks for the largest size that fits when the pod, or what it would
// have to become to be pinned, is too large for what is free.
func (s *search) smaller(ctx context.Context) error {
	if len(s.found) > 0 || s.p.Verdict == NotPlaced {
		return nil
	}
	if err := s.fewerCPUs(ctx); err != nil || len(s.found) > 0 {
		return err
	}
	return s.lessMemory(ctx)
}

// fewerCPUs tries sizes from the largest down: under the restricted policy a
// smaller size may be refused where a larger one is not, so halving would not
// find it.
func (s *search) fewerCPUs(ctx context.Context) error {
	group := s.group(s.base.config)
	largest := 0
	for _, w := range intended(s.best) {
		q := w.cpuRequest()
		largest = max(largest, int(q.Value()))
	}
	size := min(largest-1, s.freeCPUs())
	size -= size % group
	for range maxTrials {
		if size < group {
			return nil
		}
		c := capped(s.best, corev1.ResourceCPU, *resource.NewQuantity(int64(size), resource.DecimalSI))
		if done, err := s.trySize(ctx, c, cpuText(size)); done || err != nil {
			return err
		}
		size -= group
	}
	return nil
}

// freeCPUs is the most that one container can hope for.
func (s *search) freeCPUs() int {
	free := assignable(s.base.pods[s.index].before)
	if s.base.config.Observed().TopologyManagerPolicy != "single-numa-node" || len(s.Profile.NUMANodes) == 0 {
		return free.Size()
	}
	best := 0
	for _, id := range s.Profile.NodeIDs() {
		best = max(best, free.Intersection(s.Profile.CPUsInNode(id)).Size())
	}
	return best
}

// lessMemory tries what is free in each NUMA node, and on the node.
func (s *search) lessMemory(ctx context.Context) error {
	var sizes []int64
	for _, m := range s.base.pods[s.index].before.NUMA {
		sizes = append(sizes, int64(m.Free))
	}
	for _, r := range s.p.Allocatable {
		if r.Resource == memoryResource {
			sizes = append(sizes, r.Allocatable-r.Used)
		}
	}
	// What the pod's other containers take is not there for this one.
	var others int64
	want := intended(s.best)
	for _, c := range containers(s.best) {
		if c.lasting() && !slices.ContainsFunc(want, func(w ctr) bool { return w.spec.Name == c.spec.Name }) {
			others += c.spec.Resources.Requests.Memory().Value()
		}
	}
	slices.Sort(sizes)
	for _, size := range slices.Backward(slices.Compact(sizes)) {
		const mebi = 1 << 20
		for _, size := range []int64{size, size - others} {
			if size /= mebi; size <= 0 {
				continue
			}
			c := capped(s.best, corev1.ResourceMemory, *resource.NewQuantity(size*mebi, resource.BinarySI))
			if done, err := s.trySize(ctx, c, bytesText(size*mebi)+" of memory"); done || err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *search) trySize(ctx context.Context, c candidate, size string) (done bool, err error) {
	if samePod(s.best, c.pod) {
		return false, nil
	}
	outcome, notes, err := s.try(ctx, s.Config, c.pod)
	if err != nil || outcome == nil {
		return false, err
	}
	s.add(Suggestion{
		Title: fmt.Sprintf("ask for %s, the largest size that fits here", size), Manifest: edits(s.m, c.pod),
		Notes: notes, Outcome: outcome,
	})
	return true, nil
}

// misfit says that topology admission refused the pod.
func (s *search) misfit() bool {
	return strings.Contains(s.p.Admission.Reason, "TopologyAffinityError")
}
