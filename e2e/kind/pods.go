package kind

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/retry"

	"github.com/pinlab/pinlab/e2e/agent"
)

const selector = agent.LabelKey + "=" + agent.LabelValue

// pods are pinlab's pods in the cluster's API server, watched.
type pods struct {
	client kubernetes.Interface
	node   string // the name of the node
	store  cache.Store
	stop   context.CancelFunc

	mu      sync.Mutex
	changed chan struct{} // closed and made anew with every change
	version uint64        // counts the changes
	last    time.Time     // when the youngest pod was created, by the server's clock
	made    map[types.UID]bool
}

// watchPods begins to watch, and returns when what is there now is known.
func watchPods(ctx context.Context, client kubernetes.Interface, node string) (*pods, error) {
	p := &pods{client: client, node: node, changed: make(chan struct{}), made: map[types.UID]bool{}}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = selector }))
	informer := factory.Core().V1().Pods().Informer()
	p.store = informer.GetStore()
	tell := func(any) { p.tell() }
	registered, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: tell, UpdateFunc: func(_, o any) { tell(o) }, DeleteFunc: tell})
	if err != nil {
		return nil, err
	}
	// The watch ends with close, not with the scenario that began it.
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	factory.Start(watching.Done())
	if !cache.WaitForCacheSync(ctx.Done(), registered.HasSynced) {
		stop()
		return nil, fmt.Errorf("the cluster's API server does not list its pods: %w", ctx.Err())
	}
	return p, nil
}

// close ends the watch.
func (p *pods) close() { p.stop() }

func (p *pods) tell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.version++
	close(p.changed)
	p.changed = make(chan struct{})
}

// changes counts what has changed so far.
func (p *pods) changes() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.version
}

// until waits until the watch has seen something.
func (p *pods) until(ctx context.Context, what string, seen func() bool) error {
	for {
		p.mu.Lock()
		next := p.changed
		p.mu.Unlock()
		if seen() {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return fmt.Errorf("the cluster's API server: %s: %w", what, ctx.Err())
		}
	}
}

// answerTime bounds what the API server may take for one request and for the
// watch to tell of it.
const answerTime = time.Minute

// create puts a pod on the node, as the scheduler would.
func (p *pods) create(ctx context.Context, data json.RawMessage) (types.UID, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var pod corev1.Pod
	if err := json.Unmarshal(data, &pod); err != nil {
		return "", err
	}
	p.place(&pod)
	if err := p.namespace(ctx, pod.Namespace); err != nil {
		return "", err
	}
	// A restarted kubelet takes pods up in the order of their creation, which the
	// API server notes in whole seconds.
	if err := sleepUntil(ctx, p.last.Add(time.Second)); err != nil {
		return "", err
	}
	made, err := p.client.CoreV1().Pods(pod.Namespace).Create(ctx, &pod, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("create pod %s: %w", pod.Name, err)
	}
	p.last = made.CreationTimestamp.Time
	p.made[made.UID] = true
	return made.UID, p.until(ctx, "pod "+pod.Name+" was created and is not listed", func() bool {
		_, ok := p.get(made.UID)
		return ok
	})
}

// place makes a pod one of pinlab's on this node; what the API server decides is
// left to it.
func (p *pods) place(pod *corev1.Pod) {
	pod.Status = corev1.PodStatus{}
	pod.UID, pod.ResourceVersion, pod.CreationTimestamp = "", "", metav1.Time{}
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels[agent.LabelKey] = agent.LabelValue
	pod.Spec.NodeName = p.node
	// A node whose kubelet is down for long is tainted, and pods are evicted.
	pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
}

// namespace makes a namespace if there is none, and waits for its default
// service account, without which no pod is let in.
func (p *pods) namespace(ctx context.Context, name string) error {
	_, err := p.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{agent.LabelKey: agent.LabelValue}}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("namespace %s: %w", name, err)
	}
	return waitServiceAccount(ctx, p.client, name)
}

// delete deletes a pod as the agent of the lab does: with two seconds of grace
// for the kubelet to end it, or at once.
func (p *pods) delete(ctx context.Context, d agent.DeletePod) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	pod, err := p.named(d.Namespace, d.Name)
	if err != nil {
		return err
	}
	grace := int64(2)
	if d.Force {
		grace = 0
	}
	if err := p.client.CoreV1().Pods(d.Namespace).Delete(ctx, d.Name, metav1.DeleteOptions{GracePeriodSeconds: &grace}); err != nil {
		return fmt.Errorf("delete pod %s: %w", d.Name, err)
	}
	return p.until(ctx, "pod "+d.Name+" was deleted and is listed unchanged", func() bool {
		now, ok := p.get(pod.UID)
		return !ok || now.DeletionTimestamp != nil
	})
}

// patch changes a pod through a subresource: resize (KEP-1287) or ephemeralcontainers
// (KEP-277).
func (p *pods) patch(ctx context.Context, r agent.PatchPod) (agent.Patched, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	pod, err := p.client.CoreV1().Pods(r.Namespace).Patch(ctx, r.Name, types.StrategicMergePatchType, r.Patch, metav1.PatchOptions{}, r.Subresource)
	if err != nil {
		return agent.Patched{}, fmt.Errorf("change %s of pod %s: %w", r.Subresource, r.Name, err)
	}
	return agent.Patched{Generation: pod.Generation}, nil
}

// wipe takes all of pinlab's pods out of the API server.
func (p *pods) wipe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*answerTime)
	defer cancel()
	now := int64(0)
	var errs []error
	for _, pod := range p.list() {
		err := retry.OnError(retry.DefaultBackoff, late, func() error {
			return p.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
		})
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("delete the pods of the last scenario: %w", err)
	}
	clear(p.made)
	return p.until(ctx, "deleted pods are still listed", func() bool { return len(p.list()) == 0 })
}

// late says of an error that the API server has not got done in time: an emulated one
// does not, now and then, right after a kubelet of its node was started.
func late(err error) bool { return apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) }

// removeNamespaces deletes the namespaces that were made, also those of a pinlab
// that was killed.
func (p *pods) removeNamespaces(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	list, err := p.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return fmt.Errorf("the namespaces that were made: %w", err)
	}
	var errs []error
	for _, n := range list.Items {
		errs = append(errs, p.client.CoreV1().Namespaces().Delete(ctx, n.Name, metav1.DeleteOptions{}))
	}
	return errors.Join(errs...)
}

// list are pinlab's pods in the order of their creation.
func (p *pods) list() []*corev1.Pod {
	var out []*corev1.Pod
	for _, o := range p.store.List() {
		out = append(out, o.(*corev1.Pod))
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	return out
}

func (p *pods) get(uid types.UID) (*corev1.Pod, bool) {
	for _, pod := range p.list() {
		if pod.UID == uid {
			return pod, true
		}
	}
	return nil, false
}

func (p *pods) named(namespace, name string) (*corev1.Pod, error) {
	for _, pod := range p.list() {
		if pod.Namespace == namespace && pod.Name == name {
			return pod, nil
		}
	}
	return nil, fmt.Errorf("the cluster's API server has no pod %s/%s", namespace, name)
}

// json are the pods as Facts have them.
func (p *pods) json() ([][]byte, error) {
	var out [][]byte
	for _, pod := range p.list() {
		data, err := json.Marshal(pod)
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

// sleepUntil waits for a moment.
func sleepUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitServiceAccount waits until a namespace has its default service account.
func waitServiceAccount(ctx context.Context, client kubernetes.Interface, namespace string) error {
	const name = "default"
	accounts := client.CoreV1().ServiceAccounts(namespace)
	w, err := accounts.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		return fmt.Errorf("service accounts of namespace %s: %w", namespace, err)
	}
	defer w.Stop()
	if _, err := accounts.Get(ctx, name, metav1.GetOptions{}); err == nil {
		return nil
	}
	select {
	case _, ok := <-w.ResultChan():
		if !ok {
			return fmt.Errorf("namespace %s: the watch for its service account has ended", namespace)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("namespace %s gets no default service account; does the cluster's controller-manager run? %w", namespace, ctx.Err())
	}
}
