package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
)

// provider makes, finds and ends clusters; *cluster.Provider is one.
type provider interface {
	Create(name string, options ...cluster.CreateOption) error
	Delete(name, kubeconfig string) error
	List() ([]string, error)
	ListNodes(name string) ([]nodes.Node, error)
	KubeConfig(name string, internal bool) (string, error)
	CollectLogs(name, dir string) error
}

var _ provider = &cluster.Provider{}

// patchesInNode is where kubeadm finds its patches of static pods.
const patchesInNode = "/pinlab/patches"

// initPatches are what kubeadm shall do otherwise than usual, for each version of
// its configuration that kind uses: v1beta4 from Kubernetes v1.36 on. Nothing
// needs a name service or a proxy here, and an emulated or busy machine needs
// time. Kind leaves out a patch of another version than its own.
func initPatches() []string {
	const common = `kind: InitConfiguration
skipPhases: [preflight, addon/kube-proxy, addon/coredns]
patches: {directory: ` + patchesInNode + `}
`
	return []string{
		"apiVersion: kubeadm.k8s.io/v1beta4\n" + common + `timeouts:
  controlPlaneComponentHealthCheck: 15m0s
  kubeletHealthCheck: 15m0s
  kubernetesAPICall: 15m0s
  etcdAPICall: 15m0s
  tlsBootstrap: 15m0s
`,
		"apiVersion: kubeadm.k8s.io/v1beta3\n" + common,
		`apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
apiServer: {timeoutForControlPlane: 15m0s}
`,
	}
}

// kubeletPatch is what every scenario's kubelet has in common. The scenario's own
// configuration takes this one's place at its startKubelet event: it may be one
// that no kubelet starts with, and then there would be no cluster.
const kubeletPatch = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
runtimeRequestTimeout: 1h
`

// staticPods are those of a control plane.
func staticPods() []string {
	return []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
}

// writePatches writes kubeadm's patches of the control plane's pods: they request
// no CPUs, of which a kubelet would have 0.65 less for the scenario's pods than
// its machine has.
func writePatches(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, pod := range staticPods() {
		text := fmt.Sprintf(`{"spec":{"containers":[{"name":%q,"resources":{"requests":{"cpu":"0"}}}]}}`, pod)
		if err := os.WriteFile(filepath.Join(dir, pod+"+strategic.json"), []byte(text+"\n"), 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// clusterConfig is the cluster that pinlab makes: one node, and pods on the
// node's own network, so that neither a CNI plugin nor a proxy is needed.
func clusterConfig(image, patches string) *v1alpha4.Cluster {
	c := &v1alpha4.Cluster{
		Nodes: []v1alpha4.Node{{
			Role: v1alpha4.ControlPlaneRole, Image: image,
			ExtraMounts: []v1alpha4.Mount{{HostPath: patches, ContainerPath: patchesInNode, SelinuxRelabel: true}},
		}},
		Networking:           v1alpha4.Networking{DisableDefaultCNI: true, KubeProxyMode: "none"},
		KubeadmConfigPatches: append(initPatches(), kubeletPatch),
	}
	v1alpha4.SetDefaultsCluster(c)
	return c
}

// create makes a cluster. Kind's library cannot be interrupted, but loses heart
// when its node is taken away. Where it has none yet it may be pulling an image,
// five times over: then its end is not waited for, and the claim stays for the
// next start.
func (k *Kind) create(ctx context.Context, name, patches string) error {
	done := make(chan error, 1)
	go func() {
		done <- k.provider.Create(name,
			cluster.CreateWithV1Alpha4Config(clusterConfig(k.opts.Image, patches)),
			cluster.CreateWithKubeconfigPath(kubeconfigFile(k.opts.Dir, name)),
			cluster.CreateWithRetain(true)) // its logs are wanted first
	}()
	select {
	case err := <-done:
		k.keepOutput(err)
		return explain(err)
	case <-ctx.Done():
		k.say("interrupted: taking the cluster down")
	}
	for range takeDownTries {
		if err := k.provider.Delete(name, kubeconfigFile(k.opts.Dir, name)); err != nil {
			return errors.Join(ctx.Err(), explain(err))
		}
		select {
		case <-done:
			return ctx.Err()
		case <-time.After(k.takeDown):
		}
	}
	k.unfinished = true
	k.say("the container engine is still at it (pulling the node image?); what comes of it is deleted at the next start")
	return ctx.Err()
}

// soleNode is the one node of a cluster. All kind nodes of one machine see the
// same CPUs, and two kubelets would hand out the same ones.
func (k *Kind) soleNode(name string) (nodes.Node, error) {
	all, err := k.provider.ListNodes(name)
	if err != nil {
		return nil, explain(err)
	}
	if len(all) == 0 {
		return nil, k.noSuchCluster(name)
	}
	if all, err = nodeutils.InternalNodes(all); err != nil {
		return nil, fmt.Errorf("the nodes of cluster %s: %w", name, explain(err))
	}
	if len(all) != 1 {
		var names []string
		for _, n := range all {
			names = append(names, n.String())
		}
		slices.Sort(names)
		return nil, fmt.Errorf("%w: cluster %s has %d nodes (%s), all on this machine's CPUs: their kubelets would hand out the same CPUs as exclusive; want a cluster of one node",
			ErrUsage, name, len(all), strings.Join(names, ", "))
	}
	return all[0], nil
}

func (k *Kind) noSuchCluster(name string) error {
	there, err := k.provider.List()
	if err != nil {
		return explain(err)
	}
	if len(there) == 0 {
		return fmt.Errorf("%w: there is no kind cluster %s, and no other", ErrUsage, name)
	}
	return fmt.Errorf("%w: there is no kind cluster %s; there are: %s", ErrUsage, name, strings.Join(there, ", "))
}

// restConfig is how to reach the API server of a cluster.
func (k *Kind) restConfig(name string) (*rest.Config, error) {
	if k.opts.Kubeconfig == "" && k.opts.Context == "" {
		text, err := k.provider.KubeConfig(name, false)
		if err != nil {
			return nil, explain(err)
		}
		return clientcmd.RESTConfigFromKubeConfig([]byte(text))
	}
	c, err := k.clientConfig().ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return c, nil
}

// clientConfig is the kubeconfig that was asked for, read as kubectl reads it.
func (k *Kind) clientConfig() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = k.opts.Kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: k.opts.Context})
}

// kindContext begins the contexts that kind writes.
const kindContext = "kind-"

// contextCluster is the kind cluster of a context.
func (k *Kind) contextCluster() (string, error) {
	raw, err := k.clientConfig().RawConfig()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUsage, err)
	}
	name := k.opts.Context
	if name == "" {
		name = raw.CurrentContext
	}
	at, ok := raw.Contexts[name]
	if !ok {
		return "", fmt.Errorf("%w: no context %q in the kubeconfig", ErrUsage, name)
	}
	found, ok := strings.CutPrefix(at.Cluster, kindContext)
	if !ok {
		return "", fmt.Errorf("%w: context %s leads to the cluster %s; kind's are called %s…, and only their nodes are containers of this machine", ErrUsage, name, at.Cluster, kindContext)
	}
	return found, nil
}

// clientFor talks to an API server.
func clientFor(c *rest.Config) (kubernetes.Interface, error) {
	c.QPS, c.Burst = 50, 100
	return kubernetes.NewForConfig(c)
}
