package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kind/pkg/cluster"

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
		p, err := detect()
		if err != nil {
			return err
		}
		k.provider = p
	}
	if _, err := k.provider.List(); err != nil { // is there an engine at all?
		return explain(err)
	}
	k.sweep()
	if k.opts.attach() {
		if err := k.find(ctx); err != nil {
			return err
		}
	} else if err := k.make(ctx); err != nil {
		return err
	}
	k.say("putting pinlab into node %s", k.sole)
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
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("no cache directory for the locks of kind clusters: %w", err)
		}
		k.opts.Dir = filepath.Join(cache, "pinlab", "kind")
	}
	return nil
}

// detect finds the container engine as kind's command does.
func detect() (provider, error) {
	var option cluster.ProviderOption
	switch asked := os.Getenv("KIND_EXPERIMENTAL_PROVIDER"); asked {
	case "":
		var err error
		if option, err = cluster.DetectNodeProvider(); err != nil {
			return nil, errors.New("kind needs a container engine, and there is no docker, podman or nerdctl on this machine; --in-lab needs none")
		}
	case "docker":
		option = cluster.ProviderWithDocker()
	case "podman":
		option = cluster.ProviderWithPodman()
	case "nerdctl", "finch", "nerdctl.lima":
		option = cluster.ProviderWithNerdctl(asked)
	default:
		return nil, fmt.Errorf("%w: KIND_EXPERIMENTAL_PROVIDER=%s: want docker, podman or nerdctl", ErrUsage, asked)
	}
	return cluster.NewProvider(option), nil
}

// sweep deletes the clusters that were left by a pinlab that was killed. What
// cannot be deleted is no trouble of this run's.
func (k *Kind) sweep() {
	left, err := orphans(k.opts.Dir)
	if err != nil {
		k.say("cannot look for clusters that were left behind: %v", err)
	}
	for _, c := range left {
		k.say("deleting cluster %s, which a killed pinlab has left behind", c.name)
		if err := k.provider.Delete(c.name, kubeconfigFile(k.opts.Dir, c.name)); err != nil {
			k.say("%v", explain(err))
			_ = c.file.Close()
			continue
		}
		if err := c.release(k.opts.Dir); err != nil {
			k.say("%v", err)
		}
	}
}

// make makes a cluster of one node.
func (k *Kind) make(ctx context.Context) error {
	c, err := newClaim(k.opts.Dir)
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
	started := time.Now()
	k.say("making cluster %s (the first use of a node image pulls it)", k.name)
	err = k.create(ctx, k.name)
	if tooSlowForKind(err) && ctx.Err() == nil {
		k.say("%v; trying once more", err)
		if err := k.provider.Delete(k.name, kubeconfigFile(k.opts.Dir, k.name)); err != nil {
			return explain(err)
		}
		err = k.create(ctx, k.name)
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
	for _, p := range list.Items {
		switch p.Namespace {
		case metav1.NamespaceSystem, "local-path-storage": // kind's own
		default:
			return fmt.Errorf("%w: pod %s/%s runs on cluster %s; scenarios stop the kubelet and remove its state, so want a cluster without pods of others", ErrUsage, p.Namespace, p.Name, name)
		}
	}
	k.sole = sole
	return nil
}
