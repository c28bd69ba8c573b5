package explain

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// marked is a Guaranteed pod with more in its metadata and more containers.
func marked(metadata, containers string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: a" + metadata + "}\nspec:\n  containers:\n" +
		limits("app", "cpu: 2, memory: 64Mi") + containers
}

func TestInjectionIsWarnedOf(t *testing.T) {
	proxy := "  - {name: istio-proxy, image: proxyv2, resources: {requests: {cpu: 10m}}}\n"
	for _, c := range []struct{ name, metadata, containers, want string }{
		{"no mark", "", "", ""},
		{"label", `, labels: {sidecar.istio.io/inject: "true"}`, "", `label sidecar.istio.io/inject: "true": Istio adds containers`},
		{"annotation", `, annotations: {sidecar.istio.io/inject: "true"}`, "", `annotation sidecar.istio.io/inject: "true": Istio adds`},
		{"revision", `, labels: {istio.io/rev: canary}`, "", `label istio.io/rev: "canary": Istio adds`},
		{"switched off beside a revision", `, labels: {istio.io/rev: canary, sidecar.istio.io/inject: "false"}`, "", ""},
		{"Linkerd", `, annotations: {linkerd.io/inject: enabled}`, "", `config.linkerd.io/proxy-cpu-request`},
		{"Linkerd switched off", `, annotations: {linkerd.io/inject: disabled}`, "", ""},
		{"injected already", `, labels: {sidecar.istio.io/inject: "true"}`, proxy, ""},
		{"listed as injected", `, labels: {istio.io/rev: a}, annotations: {sidecar.istio.io/status: "{}"}`, "", ""},
		{"the manifest's own proxy", `, labels: {sidecar.istio.io/inject: "true"}`, strings.Replace(proxy, "proxyv2", "auto", 1), "Istio adds"},
		{"a live pod", `, creationTimestamp: "2026-01-02T03:04:05Z", labels: {istio.io/rev: a}`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			r := inline(t, "", marked(c.metadata, c.containers))
			all := strings.Join(r.Pods[0].Warnings, "\n")
			if c.want == "" {
				g.Expect(all).To(BeEmpty())
				g.Expect(show(t, r)).NotTo(ContainSubstring("Warning"))
				return
			}
			g.Expect(all).To(ContainSubstring(c.want))
			g.Expect(show(t, r)).To(MatchRegexp(`^a/app.*\n(    .*\n)*(a/.*\n(    .*\n)*)*  Warning: `), "beside the headline")
		})
	}
}

// A pod with resources of its own keeps its class, whatever is added.
func TestNoWarningWithPodLevelResources(t *testing.T) {
	r := inline(t, "", `apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {linkerd.io/inject: enabled}}
spec:
  resources: {limits: {cpu: 2, memory: 1Gi}}
  containers: [{name: app, image: a}]
`)
	NewWithT(t).Expect(r.Pods[0].Warnings).To(BeEmpty())
}

func TestWarningOncePerWorkload(t *testing.T) {
	g := NewWithT(t)
	r := inline(t, "", `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, sidecar.istio.io/inject: "true"}}
    spec:
      containers:
`+strings.ReplaceAll(limits("app", "cpu: 2, memory: 64Mi"), "  - ", "      - "))
	g.Expect(r.Pods).To(HaveLen(2))
	g.Expect(r.Pods[1].Warnings).To(HaveLen(1))
	g.Expect(strings.Count(show(t, r), "Warning: ")).To(Equal(1))
}

func TestInjectedContainersAreChangedElsewhere(t *testing.T) {
	for _, c := range []struct{ name, metadata, container, want string }{
		{"Istio", "", "istio-proxy", "Istio adds istio-proxy when the pod is created; change the resources where they come from: the annotations sidecar.istio.io/proxyCPU, proxyCPULimit, proxyMemory and proxyMemoryLimit"},
		{"Linkerd", "", "linkerd-proxy", "Linkerd adds linkerd-proxy"},
		{"Istio's own list", `, annotations: {sidecar.istio.io/status: "{\"containers\":[\"extra\"]}"}`, "extra", "Istio adds extra"},
		{"not on the list", `, annotations: {sidecar.istio.io/status: "{\"containers\":[\"extra\"]}"}`, "log", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			p := inline(t, "", marked(c.metadata, "  - {name: "+c.container+", image: x, resources: {requests: {cpu: 10m, memory: 64Mi}}}\n")).Pods[0]
			g.Expect(p.QoS.Container).To(Equal(c.container), "it decides")
			if c.want == "" {
				g.Expect(p.Notes).To(BeEmpty())
				return
			}
			g.Expect(p.Notes).To(ContainElement(ContainSubstring(c.want)))
		})
	}
}

func TestAdmissionIsAssumed(t *testing.T) {
	g := NewWithT(t)
	const assumed = "nothing is injected at admission"
	g.Expect(inline(t, "", marked("", "")).Assumptions).To(ContainElement(ContainSubstring(assumed)))
	live := marked(`, creationTimestamp: "2026-01-02T03:04:05Z"`, "")
	g.Expect(inline(t, "", live).Assumptions).NotTo(ContainElement(ContainSubstring(assumed)), "admission is behind it")
}
