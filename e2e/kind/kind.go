package kind

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

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
}

// attach says that the cluster is somebody's.
func (o Options) attach() bool { return o.Cluster != "" || o.Kubeconfig != "" || o.Context != "" }

const (
	// takeDown is between two attempts to delete a cluster that is being made, of
	// which there are so many.
	takeDown      = 2 * time.Second
	takeDownTries = 3
	// readyTime bounds what a new control plane takes to let the first pod in.
	readyTime = 15 * time.Minute
	// stepTime bounds the time that one event may take to settle.
	stepTime = 3 * time.Minute
	// closeTime bounds the cleaning up.
	closeTime = 5 * time.Minute
	// answerLimit bounds the answer of the agent in the node. On an emulated
	// machine some take a minute.
	answerLimit = 5 * time.Minute
	// prepareLimit bounds its preparing the node.
	prepareLimit = 15 * time.Minute
)

// Kind sets up a node of one cluster for scenarios, one after the other. It is
// not for concurrent use.
type Kind struct {
	opts     Options
	node     node.Options
	provider provider
	connect  func(*rest.Config) (kubernetes.Interface, error)

	limits   limits
	takeDown time.Duration
	engine   string // that the provider stands for, see engineOf

	failing func() // called before what has failed is cleaned up; may be nil
	saying  sync.Mutex

	claim *claim // of a cluster that was made
	hold  *claim // of one that is somebody's
	// unfinished says that kind's library was left alone with the cluster.
	unfinished bool
	output     string // of the commands that failed when the cluster was made
	kept       string // the directory with the logs that were kept; "" when there are none
	put        bool   // pinlab is in the node, or a part of it
	name       string
	sole       nodes.Node
	client     kubernetes.Interface
	link       *link
	touched    bool // an agent has been started in the node
	pods       *pods
	host       *hwprofiles.Profile // the node's machine; nil until it has been looked at
	seen       *hwprofiles.Profile // the same, where the last scenario has a node
}

// New makes the target. Nothing is made or looked for yet.
func New(o Options, n node.Options) *Kind {
	n.Name, n.Resolve, n.Step = "kind", hwprofiles.Resolve, stepTime
	return &Kind{opts: o, node: n, connect: clientFor, takeDown: takeDown, limits: limits{answerLimit, prepareLimit}}
}

func (k *Kind) say(format string, args ...any) {
	k.saying.Lock() // kind's library tells its steps itself
	defer k.saying.Unlock()
	if k.opts.Say != nil {
		k.opts.Say(fmt.Sprintf(format, args...))
	}
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
	k.link, err = startAgent(ctx, k.sole, k.limits)
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
