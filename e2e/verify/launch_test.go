package verify

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
)

// ask audits with a proposed configuration, none when empty, and returns what
// the kubelet's code was asked.
func ask(g *WithT, tr *tree, proposal string) (asked []string, r *Report) {
	o := tr.options()
	if proposal != "" {
		o.Config, o.ConfigName = []byte(proposal), "/etc/kubelet.yaml"
	}
	o.Start = func(_ context.Context, config, _, _ []byte, _ *hwprofiles.Profile) (StartAnswer, error) {
		asked = append(asked, string(config))
		return StartAnswer{Reserved: "0", Version: "v0"}, nil
	}
	r, err := Run(context.Background(), o)
	g.Expect(err).NotTo(HaveOccurred())
	return asked, r
}

// TestProposalKeepsFlags judges a proposed file as the kubelet would read it:
// with its drop-ins and its flags.
func TestProposalKeepsFlags(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[0])
	tr.kubelet("--config=/etc/kubelet.yaml", "--config-dir=/etc/kubelet.d", "--reserved-cpus=0")
	tr.file("etc/kubelet.yaml", `{"cpuManagerPolicy":"static"}`)
	tr.file("etc/kubelet.d/1.conf", "topologyManagerPolicy: restricted\n")
	merged := `{"cpuManagerPolicy":"static","reservedSystemCPUs":"0","topologyManagerPolicy":"restricted"}`

	// The same file is the same question.
	asked, r := ask(g, tr, `{"cpuManagerPolicy":"static"}`)
	g.Expect(asked).To(HaveExactElements(MatchJSON(merged)))
	g.Expect(r.Starts).To(HaveLen(2))
	g.Expect(r.Starts[1]).To(And(HaveField("Result", Starts), HaveField("Proposed", true),
		HaveField("Config", "/etc/kubelet.yaml /etc/kubelet.d/1.conf --reserved-cpus")))

	// Another one of the same name is not.
	asked, r = ask(g, tr, `{"cpuManagerPolicy":"none"}`)
	g.Expect(asked).To(HaveExactElements(MatchJSON(merged), MatchJSON(`{"cpuManagerPolicy":"none","reservedSystemCPUs":"0","topologyManagerPolicy":"restricted"}`)))
	g.Expect(r.Starts).To(HaveLen(2))
}

// TestStoppedKubelet finds the flags of a kubelet that does not run.
func TestStoppedKubelet(t *testing.T) {
	const (
		unit   = "etc/systemd/system/kubelet.service"
		config = "var/lib/kubelet/config.yaml"
		dropIn = `[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--kubeconfig=/etc/kubernetes/kubelet.conf" OTHER=x
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS \
  $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`
	)
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // of the configuration; empty when the start is unchecked
		why   string
	}{
		{"nothing tells", nil, "", "neither a systemd unit nor a file of kubeadm tells the flags"},
		{"the files of kubeadm", map[string]string{
			"var/lib/kubelet/kubeadm-flags.env": `KUBELET_KUBEADM_ARGS="--reserved-cpus=1 --v=2"` + "\n",
			"etc/default/kubelet":               "# more\nKUBELET_EXTRA_ARGS=--reserved-cpus=0\n",
		}, `{"cpuManagerPolicy":"static","reservedSystemCPUs":"0"}`, ""},
		{"another file", map[string]string{"etc/sysconfig/kubelet": "KUBELET_EXTRA_ARGS='--reserved-cpus 0'\n"}, `{"cpuManagerPolicy":"static","reservedSystemCPUs":"0"}`, ""},
		{"a unit with drop-ins", map[string]string{
			unit: "[Service]\nExecStart=/usr/bin/kubelet --reserved-cpus=9\n",
			"usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": dropIn,
			"var/lib/kubelet/kubeadm-flags.env":                        "KUBELET_KUBEADM_ARGS=\"--reserved-cpus=0\"\n",
		}, `{"cpuManagerPolicy":"static","reservedSystemCPUs":"0"}`, ""},
		{"a unit without a file", map[string]string{unit: "[Service]\nExecStart=/usr/bin/kubelet --cpu-manager-policy=${P}\nEnvironment=P=static\n"}, `{"cpuManagerPolicy":"static"}`, ""},
		{"a script", map[string]string{unit: "[Service]\nExecStart=/opt/start-kubelet.sh\n"}, "", "its ExecStart is not the kubelet's command line"},
		{"a file of the unit that is missing", map[string]string{unit: "[Service]\nEnvironmentFile=/etc/kubelet.env\nExecStart=/usr/bin/kubelet $A\n"}, "", "/etc/kubelet.env: no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			tr := newTree(t, layouts()[0])
			tr.remove("proc/50")
			tr.file(config, "cpuManagerPolicy: static\n")
			for name, text := range c.files {
				tr.file(name, text)
			}
			asked, r := ask(g, tr, "")
			if c.want == "" {
				g.Expect(asked).To(BeEmpty())
				g.Expect(r.Starts).To(HaveLen(1))
				g.Expect(r.Starts[0].Unchecked).To(ContainSubstring(c.why))
				asked, r = ask(g, tr, `{"cpuManagerPolicy":"none"}`)
				g.Expect(asked).To(BeEmpty())
				g.Expect(r.Starts[1].Unchecked).To(ContainSubstring(c.why))
				return
			}
			g.Expect(asked).To(HaveExactElements(MatchJSON(c.want)))
			g.Expect(r.Incomplete()).To(BeEmpty())
		})
	}
}
