package explain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// injector adds containers to pods at admission, where a manifest does not show
// them.
type injector struct {
	name string
	// asks are the labels or annotations with which a pod asks for it; the first
	// one that a pod has decides.
	asks []string
	// adds are the containers that it adds; status is the annotation that lists
	// them, if it leaves one.
	adds   []string
	status string
	// settings is where their resources come from.
	settings string
}

func injectors() []injector {
	return []injector{
		{
			name: "Istio", asks: []string{"sidecar.istio.io/inject", "istio.io/rev"},
			adds: []string{"istio-proxy", "istio-init", "istio-validation"}, status: "sidecar.istio.io/status",
			settings: "the annotations sidecar.istio.io/proxyCPU, proxyCPULimit, proxyMemory and proxyMemoryLimit, or the injector's values (global.proxy, global.proxy_init)",
		},
		{
			name: "Linkerd", asks: []string{"linkerd.io/inject"}, adds: []string{"linkerd-proxy", "linkerd-init"},
			settings: "the annotations config.linkerd.io/proxy-cpu-request, proxy-cpu-limit, proxy-memory-request and proxy-memory-limit, or the injector's values",
		},
		{
			name: "Consul", asks: []string{"consul.hashicorp.com/connect-inject"}, adds: []string{"consul-dataplane", "consul-connect-inject-init"},
			settings: "the annotations consul.hashicorp.com/sidecar-proxy-cpu-request, sidecar-proxy-cpu-limit, sidecar-proxy-memory-request and sidecar-proxy-memory-limit, or the injector's values",
		},
		{
			name: "Kuma", asks: []string{"kuma.io/sidecar-injection"}, adds: []string{"kuma-sidecar", "kuma-init"},
			settings: "the control plane's settings of the sidecar, or a ContainerPatch",
		},
		{
			name: "Dapr", asks: []string{"dapr.io/enabled"}, adds: []string{"daprd"},
			settings: "the annotations dapr.io/sidecar-cpu-request, sidecar-cpu-limit, sidecar-memory-request and sidecar-memory-limit",
		},
		{
			name: "Vault", asks: []string{"vault.hashicorp.com/agent-inject"}, adds: []string{"vault-agent", "vault-agent-init"},
			settings: "the annotations vault.hashicorp.com/agent-requests-cpu, agent-limits-cpu, agent-requests-mem and agent-limits-mem",
		},
		{
			name: "OpenTelemetry", asks: []string{"sidecar.opentelemetry.io/inject"}, adds: []string{"otc-container"},
			settings: "the resources of the OpenTelemetryCollector",
		},
	}
}

// asked returns the mark with which a pod asks for the injector.
func (j *injector) asked(pod *corev1.Pod) string {
	for _, key := range j.asks {
		what, value, ok := "label", "", false
		if value, ok = pod.Labels[key]; !ok {
			what = "annotation"
			value, ok = pod.Annotations[key]
		}
		switch {
		case !ok:
		case slices.Contains([]string{"", "false", "disabled", "no", "n", "off", "0"}, strings.ToLower(value)):
			return ""
		default:
			return what + " " + key + ": " + strconv.Quote(value)
		}
	}
	return ""
}

// added says that the injector has added a container.
func (j *injector) added(pod *corev1.Pod, c *corev1.Container) bool {
	if j.status != "" && strings.Contains(pod.Annotations[j.status], strconv.Quote(c.Name)) {
		return true
	}
	// With this image Istio's proxy is the manifest's own container, and the
	// injector only completes it.
	return slices.Contains(j.adds, c.Name) && c.Image != "auto"
}

// done says that the injector has been at work already.
func (j *injector) done(pod *corev1.Pod) bool {
	if _, ok := pod.Annotations[j.status]; ok && j.status != "" {
		return true
	}
	return slices.ContainsFunc(containers(pod), func(c ctr) bool { return j.added(pod, c.spec) })
}

// live says that a pod comes from a cluster, so that admission is behind it.
func live(m *scenarios.ManifestPod) bool {
	return m.Kind == "Pod" && !m.Pod.CreationTimestamp.IsZero()
}

// warnings tell of injectors that a pod asks for and has not met yet.
func warnings(cfg *kubelet.Config, m *scenarios.ManifestPod) []string {
	if live(m) || podDecides(cfg, m.Pod) {
		return nil // with resources of its own, added containers do not change a pod's class
	}
	var list []string
	for _, j := range injectors() {
		if mark := j.asked(m.Pod); mark != "" && !j.done(m.Pod) {
			list = append(list, fmt.Sprintf("%s: %s adds containers that are not in this file. One without equal requests and limits makes the pod Burstable, and then nothing of it is pinned. Their resources come from %s", mark, j.name, j.settings))
		}
	}
	return list
}

// injectedNotes say where the resources of injected containers are changed that
// keep a pod from being Guaranteed: not where they stand.
func injectedNotes(pod *corev1.Pod) []string {
	var notes []string
	for _, j := range injectors() {
		var names []string
		for _, c := range containers(pod) {
			if j.added(pod, c.spec) && classOf(c.spec.Resources) != string(corev1.PodQOSGuaranteed) {
				names = append(names, c.spec.Name)
			}
		}
		if len(names) > 0 {
			notes = append(notes, fmt.Sprintf("%s adds %s when the pod is created; change the resources where they come from: %s", j.name, listWords(names), j.settings))
		}
	}
	return notes
}
