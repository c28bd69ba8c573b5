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
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/node"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
)

// Options say which cluster is used.
type Options struct {
	// Cluster is an existing kind cluster; empty makes one, unless Kubeconfig or
	// Context lead to one.
	Cluster string
	// Kubeconfig and Context are as for kubectl; the context must be kind's.
	Kubeconfig, Context string
	// Image is the node image of a cluster that is made; empty is kind's default.
	Image string
	// Retain keeps a cluster that was made.
	Retain bool
	// Binary is the pinlab that runs in the node; empty means the running program.
	Binary string
	// Dir is where locks and logs are kept; empty means pinlab/kind in the user's
	// cache directory.
	Dir string
	// Say is told what is being done; nil is silent.
	Say func(string)

	after func(time.Duration) <-chan time.Time // time.After but in tests
}

// attach says that the cluster is somebody's.
func (o Options) attach() bool { return o.Cluster != "" || o.Kubeconfig != "" || o.Context != "" }

const (
	// takeDown is between two attempts to delete a cluster that is being made.
	takeDown = 2 * time.Second
	// readyTime bounds what a new control plane takes to let the first pod in.
	readyTime = 15 * time.Minute
	// stepTime bounds the time that one event may take to settle.
	stepTime = 3 * time.Minute
	// closeTime bounds the cleaning up.
	closeTime = 5 * time.Minute
)

// Kind sets up a node of one cluster for scenarios, one after the other. It is
// not for concurrent use.
type Kind struct {
	opts     Options
	node     node.Options
	provider provider
	connect  func(*rest.Config) (kubernetes.Interface, error)

	failing func() // called before what has failed is cleaned up; may be nil

	claim   *claim // of a cluster that was made
	name    string
	sole    nodes.Node
	client  kubernetes.Interface
	link    *link
	touched bool // an agent has been started in the node
	pods    *pods
	host    *hwprofiles.Profile // the node's machine; nil until it has been looked at
	seen    *hwprofiles.Profile // the same, where the last scenario has a node
}

// New makes the target. Nothing is made or looked for yet.
func New(o Options, n node.Options) *Kind {
	n.Name, n.Resolve, n.Step = "kind", hwprofiles.Resolve, stepTime
	o.after = time.After
	return &Kind{opts: o, node: n, connect: clientFor}
}

func (k *Kind) say(format string, args ...any) {
	if k.opts.Say != nil {
		k.opts.Say(fmt.Sprintf(format, args...))
	}
}

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

// Setup is a scenarios.Setup. The machine is the host's, whatever profile is
// asked for; a scenario that is about another one is not replayed.
func (k *Kind) Setup(ctx context.Context, s *scenarios.Scenario, p *hwprofiles.Profile) (scenarios.Target, error) {
	k.seen = nil
	if k.sole == nil {
		return nil, errors.New("there is no cluster")
	}
	if err := k.look(ctx); err != nil {
		return nil, err
	}
	if why := unfit(s, p, k.host); why != "" {
		return nil, fmt.Errorf("%w: %s", scenarios.ErrUnsupported, why)
	}
	if k.link == nil {
		if err := k.start(ctx); err != nil {
			return nil, err
		}
	}
	t, err := node.New(ctx, s, &machine{k}, k.node)
	if err != nil {
		return nil, err
	}
	k.seen = t.Profile()
	return t, nil
}

// look watches the cluster's pods and finds out what machine the node is.
func (k *Kind) look(ctx context.Context) (err error) {
	if k.pods == nil {
		if k.pods, err = watchPods(ctx, k.client, k.sole.String()); err != nil {
			return err
		}
	}
	if k.host == nil {
		if err = k.start(ctx); err != nil {
			return err
		}
		k.host, err = node.Detect(k.link.hello)
	}
	return err
}

// start starts an agent in the node.
func (k *Kind) start(ctx context.Context) (err error) {
	k.touched = true
	k.link, err = startAgent(ctx, k.sole)
	return err
}

// Machine is the machine that the last scenario was set up on, as its kernel
// shows it; nil when there is none.
func (k *Kind) Machine() *hwprofiles.Profile { return k.seen }

func (k *Kind) closeLink() {
	if k.link != nil {
		k.link.close()
		k.link = nil
	}
}

// Close ends what Open has made, or gives the node back as it was found. With
// failed the logs of the cluster are kept first.
func (k *Kind) Close(failed bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	var errs []error
	if failed && (k.claim != nil || k.touched) {
		errs = append(errs, k.keepLogs())
	}
	if k.claim == nil && k.touched {
		errs = append(errs, k.giveBack(ctx))
	}
	k.closeLink()
	if k.pods != nil {
		k.pods.close()
		k.pods = nil
	}
	if k.claim != nil {
		errs = append(errs, k.end())
	}
	k.claim, k.sole, k.name, k.touched = nil, nil, "", false
	return errors.Join(errs...)
}

// end deletes the cluster that was made, or leaves it to the user.
func (k *Kind) end() error {
	if k.opts.Retain && k.sole != nil {
		k.say("cluster %s is kept; 'kind export kubeconfig --name %s' leads kubectl to it, 'kind delete cluster --name %s' ends it", k.name, k.name, k.name)
		return k.claim.release(k.opts.Dir)
	}
	if err := k.provider.Delete(k.name, kubeconfigFile(k.opts.Dir, k.name)); err != nil {
		// The claim stays: the next start tries again.
		return errors.Join(fmt.Errorf("delete cluster %s: %w", k.name, explain(err)), k.claim.file.Close())
	}
	return k.claim.release(k.opts.Dir)
}

// giveBack leaves a cluster of somebody's as it was found.
func (k *Kind) giveBack(ctx context.Context) error {
	if k.link == nil || k.link.gone() {
		k.closeLink()
		if err := k.start(ctx); err != nil {
			return fmt.Errorf("give back node %s: %w", k.sole, err)
		}
	}
	var errs []error
	if k.pods != nil {
		errs = append(errs, (&caller{k.link, k.pods}).Call(ctx, "Wipe", agent.None{}, &agent.None{}), k.pods.removeNamespaces(ctx))
	}
	errs = append(errs, k.link.Call(ctx, "GiveBack", agent.None{}, &agent.None{}))
	k.closeLink()
	if err := k.sole.CommandContext(ctx, "rm", "-f", binaryInNode).Run(); err != nil {
		errs = append(errs, explain(err))
	}
	return errors.Join(errs...)
}

// keepLogs keeps what kind collects of a cluster. Where nothing can be collected
// there is nothing to keep.
func (k *Kind) keepLogs() error {
	if there, err := k.provider.ListNodes(k.name); err != nil || len(there) == 0 {
		return nil
	}
	dir, err := os.MkdirTemp(k.opts.Dir, "logs-"+strings.TrimPrefix(k.name, namePrefix)+"-")
	if err != nil {
		return err
	}
	if err := k.provider.CollectLogs(k.name, dir); err != nil {
		if left, readErr := os.ReadDir(dir); readErr == nil && len(left) == 0 {
			return os.Remove(dir)
		}
		k.say("not all logs could be collected: %v", explain(err))
	}
	k.say("the logs of cluster %s are in %s", k.name, dir)
	return nil
}
