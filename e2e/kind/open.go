package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pinlab/pinlab/e2e/agent"
)

// Open makes the cluster, or finds the one that was asked for, and puts pinlab
// into its node. An error that wraps ErrUsage says that the cluster asked for is
// none for this. After an error nothing is left running.
func (k *Kind) Open(ctx context.Context) error {
	err := k.open(ctx)
	if err != nil {
		if k.failing != nil {
			k.failing()
		}
		err = errors.Join(err, k.Close(true))
	}
	return err
}

func (k *Kind) open(ctx context.Context) error {
	if err := k.defaults(); err != nil {
		return err
	}
	if k.provider == nil {
		p, err := k.detect()
		if err != nil {
			return err
		}
		k.provider = p
	}
	if _, err := k.provider.List(); err != nil { // is there an engine at all?
		return explain(err)
	}
	k.engine = engineOf(os.Getenv, inPath)
	k.sweep(ctx)
	if k.opts.attach() {
		if err := k.find(ctx); err != nil {
			return err
		}
	} else if err := k.make(ctx); err != nil {
		return err
	}
	k.say("putting pinlab into node %s", k.sole)
	k.put = true
	return putBinary(ctx, k.sole, k.opts.Binary)
}

func (k *Kind) defaults() error {
	if k.opts.Binary == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		k.opts.Binary = self
	}
	if k.opts.Dir == "" {
		dir, err := usualDir()
		if err != nil {
			return err
		}
		k.opts.Dir = dir
	}
	return nil
}

// usualDir is where locks and logs are kept.
func usualDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory for the locks and logs of kind clusters: %w", err)
	}
	return filepath.Join(cache, "pinlab", "kind"), nil
}

// sweep cleans up after pinlabs that were killed, as far as they used this
// container engine: on another one nothing of theirs could be found. What cannot
// be cleaned up is no trouble of this run's.
func (k *Kind) sweep(ctx context.Context) {
	made, attached, err := orphans(k.opts.Dir)
	if err != nil {
		k.say("cannot look for clusters that were left behind: %v", err)
	}
	for _, c := range made {
		k.clean(c, "cluster "+c.name, func() error {
			k.say("deleting cluster %s, which a killed pinlab has left behind", c.name)
			return explain(k.provider.Delete(c.name, kubeconfigFile(k.opts.Dir, c.name)))
		})
	}
	for _, c := range attached {
		k.clean(c, "what was changed on cluster "+c.name, func() error {
			k.say("giving back cluster %s, which a killed pinlab had attached to", c.name)
			return k.repair(ctx, c.name)
		})
	}
}

// clean does what a killed pinlab has left to do, and gives its claim up.
func (k *Kind) clean(c *claim, what string, do func() error) {
	err := errOtherEngine
	if c.Engine == k.engine {
		err = do()
	}
	if errors.Is(err, errOtherEngine) {
		k.say("%s was left behind on another container engine by a killed pinlab; a run with %s cleans it up", what, c.Engine)
	} else if err != nil {
		k.say("%v", err)
	}
	if err != nil {
		_ = c.file.Close() // the next start tries again
		return
	}
	if err := c.release(k.opts.Dir); err != nil {
		k.say("%v", err)
	}
}

var errOtherEngine = errors.New("on another container engine")

// repair gives back a cluster that a killed pinlab had attached to. One that is
// gone needs nothing.
func (k *Kind) repair(ctx context.Context, name string) error {
	r := New(Options{Cluster: name, Binary: k.opts.Binary, Dir: k.opts.Dir, Say: k.opts.Say}, k.node)
	r.provider, r.connect = k.provider, k.connect
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	sole, err := r.soleNode(name)
	if errors.Is(err, ErrUsage) {
		return nil
	} else if err != nil {
		return err
	}
	r.name, r.sole, r.put = name, sole, true
	defer r.closeLink()
	if err := r.reach(); err != nil {
		return err
	}
	if err := putBinary(ctx, sole, k.opts.Binary); err != nil {
		return fmt.Errorf("give back node %s: %w", sole, err)
	}
	err = r.giveBack(ctx)
	if r.pods != nil {
		r.pods.close()
	}
	return errors.Join(err, r.takeBinary(ctx))
}

// make makes a cluster of one node.
func (k *Kind) make(ctx context.Context) error {
	c, err := newClaim(k.opts.Dir, k.engine)
	if err != nil {
		return err
	}
	if there, err := k.provider.ListNodes(c.name); err != nil || len(there) > 0 {
		if err == nil {
			err = fmt.Errorf("there is a kind cluster %s already, and pinlab has not made it; it was left alone", c.name)
		}
		return errors.Join(explain(err), c.release(k.opts.Dir))
	}
	k.claim, k.name = c, c.name
	patches, err := writePatches(patchesDir(k.opts.Dir, k.name))
	if err != nil {
		return fmt.Errorf("kubeadm's patches: %w", err)
	}
	started := time.Now()
	k.say("making cluster %s (the first use of a node image pulls it)", k.name)
	err = k.create(ctx, k.name, patches)
	if tooSlowForKind(err) && ctx.Err() == nil {
		k.say("%v; trying once more", err)
		if err := k.provider.Delete(k.name, kubeconfigFile(k.opts.Dir, k.name)); err != nil {
			return explain(err)
		}
		err = k.create(ctx, k.name, patches)
	}
	if err != nil {
		return fmt.Errorf("make a kind cluster: %w", err)
	}
	if k.sole, err = k.soleNode(k.name); err != nil {
		return err
	}
	if err := k.reach(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if err := waitServiceAccount(ctx, k.client, metav1.NamespaceDefault); err != nil {
		return err
	}
	k.say("cluster %s is up after %.0f s", k.name, time.Since(started).Seconds())
	return nil
}

// tooSlowForKind says that systemd in the node was not up within the 30 s that
// kind gives it, whatever the machine. A second try finds more in the machine's
// caches.
func tooSlowForKind(err error) bool {
	return err != nil && strings.Contains(err.Error(), "could not find a log line that matches")
}

// reach makes a client for the API server.
func (k *Kind) reach() error {
	config, err := k.restConfig(k.name)
	if err != nil {
		return err
	}
	k.client, err = k.connect(config)
	return err
}

// find finds the cluster that was asked for, and refuses one with pods of
// somebody's: their CPUs would be taken away.
func (k *Kind) find(ctx context.Context) error {
	name := k.opts.Cluster
	if k.opts.Kubeconfig != "" || k.opts.Context != "" {
		var err error
		if name, err = k.contextCluster(); err != nil {
			return err
		}
	}
	sole, err := k.soleNode(name)
	if err != nil {
		return err
	}
	k.name = name
	if err := k.reach(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	list, err := k.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: agent.LabelKey + "!=" + agent.LabelValue})
	if err != nil {
		return fmt.Errorf("the API server of cluster %s: %w", name, err)
	}
	if requested := requests(list.Items); !requested.IsZero() {
		k.say("the cluster's own pods request %s CPUs, which its kubelet counts: a scenario that fills the machine may be short of them", &requested)
	}
	for _, p := range list.Items {
		switch p.Namespace {
		case metav1.NamespaceSystem, "local-path-storage": // kind's own
		default:
			return fmt.Errorf("%w: pod %s/%s runs on cluster %s; scenarios stop the kubelet and remove its state, so want a cluster without pods of others", ErrUsage, p.Namespace, p.Name, name)
		}
	}
	if k.hold, err = claimAttached(k.opts.Dir, k.engine, name); err != nil {
		return err
	}
	k.sole = sole
	return nil
}

// requests is what pods that have not ended ask for of CPUs.
func requests(pods []corev1.Pod) resource.Quantity {
	var sum resource.Quantity
	for _, p := range pods {
		if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		for _, c := range p.Spec.Containers {
			sum.Add(*c.Resources.Requests.Cpu())
		}
	}
	return sum
}
