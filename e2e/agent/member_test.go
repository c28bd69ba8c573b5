package agent

import (
	"archive/tar"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	. "github.com/onsi/gomega"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// foundConfig is what kubeadm writes on a kind node, and a user's own policy.
const foundConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}
cgroupDriver: systemd
cgroupRoot: /kubelet
clusterDNS: [10.96.0.10]
cpuManagerPolicy: static
cpuManagerReconcilePeriod: 0s
featureGates: {KubeletInUserNamespace: true, CPUManagerPolicyAlphaOptions: true}
imageGCHighThresholdPercent: 100
staticPodPath: /etc/kubernetes/manifests
`

// A scenario's kubelet stays a member of its cluster, and has nothing else of
// what was configured before.
func TestMemberNeeds(t *testing.T) {
	g := NewWithT(t)
	data, err := memberNeeds([]byte(foundConfig), "v1.37.2")
	g.Expect(err).NotTo(HaveOccurred())
	var needs map[string]any
	g.Expect(json.Unmarshal(data, &needs)).To(Succeed())
	g.Expect(needs).To(And(
		HaveKeyWithValue("cgroupDriver", "systemd"), HaveKeyWithValue("cgroupRoot", "/kubelet"),
		HaveKeyWithValue("staticPodPath", "/etc/kubernetes/manifests"), HaveKey("authentication"), HaveKey("crashLoopBackOff"),
		HaveKeyWithValue("logging", map[string]any{"format": "json", "verbosity": 4.0})))
	g.Expect(needs).To(And(
		HaveKeyWithValue("imageGCHighThresholdPercent", 100.0),
		HaveKeyWithValue("featureGates", map[string]any{"KubeletInUserNamespace": true})))
	merged, err := jsonpatch.MergePatch([]byte(`{"featureGates":{"CPUManagerPolicyBetaOptions":false},"imageGCHighThresholdPercent":85}`), data)
	g.Expect(err).NotTo(HaveOccurred())
	var config map[string]any
	g.Expect(json.Unmarshal(merged, &config)).To(Succeed())
	g.Expect(config).To(And(HaveKeyWithValue("imageGCHighThresholdPercent", 100.0),
		HaveKeyWithValue("featureGates", map[string]any{"KubeletInUserNamespace": true, "CPUManagerPolicyBetaOptions": false})))
	g.Expect(needs).NotTo(Or(HaveKey("cpuManagerPolicy"), HaveKey("cpuManagerReconcilePeriod")))

	data, err = memberNeeds([]byte(foundConfig), "v1.34.9")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(data)).NotTo(ContainSubstring("crashLoopBackOff"), "that kubelet refuses it without a feature gate")
	_, err = memberNeeds([]byte("a: b: c"), "v1.37.2")
	g.Expect(err).To(MatchError(HavePrefix("/var/lib/kubelet/config.yaml: ")))
}

func TestExitText(t *testing.T) {
	g := NewWithT(t)
	g.Expect(exitText("ExecMainCode=1\nExecMainStatus=1\n")).To(Equal("exit status 1"))
	g.Expect(exitText("ExecMainCode=2\nExecMainStatus=9\n")).To(Equal("signal: killed"))
	g.Expect(minor("v1.37.2")).To(Equal(37))
	g.Expect(minor("nonsense")).To(Equal(0))
}

// What is changed on a node is kept once: a second agent on the same node does
// not take what the first has made for what was there.
func TestCopyOnce(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	file, found := filepath.Join(dir, "runc"), filepath.Join(dir, "runc.found")
	g.Expect(os.WriteFile(file, []byte("theirs"), 0o755)).To(Succeed())
	for range 2 {
		g.Expect(copyOnce(file, found)).To(Succeed())
		g.Expect(writeWhole(file, []byte("ours"))).To(Succeed())
	}
	g.Expect(os.ReadFile(found)).To(BeEquivalentTo("theirs"))
	g.Expect(os.ReadFile(file)).To(BeEquivalentTo("ours"))
	st, err := os.Stat(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(st.Mode().Perm()).To(Equal(os.FileMode(0o755)))
	g.Expect(os.ReadDir(dir)).To(HaveLen(2))
}

// The image that is made of this machine's programs has all that they need: they
// run in it.
func TestImageOfPrograms(t *testing.T) {
	g := NewWithT(t)
	var files []LayerFile
	for _, p := range programs() {
		need, err := programFiles("/bin/"+p, libraryDirs())
		g.Expect(err).NotTo(HaveOccurred())
		files = append(files, need...)
	}
	img, err := ImageOf(once(files))
	g.Expect(err).NotTo(HaveOccurred())
	root := t.TempDir()
	layer := mutate.Extract(img)
	defer layer.Close()
	for r := tar.NewReader(layer); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		g.Expect(err).NotTo(HaveOccurred())
		name := filepath.Join(root, h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			g.Expect(os.MkdirAll(name, 0o755)).To(Succeed())
		case tar.TypeReg:
			data, err := io.ReadAll(r)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(os.WriteFile(name, data, 0o755)).To(Succeed())
		}
	}
	_, err = findLibrary("libnone.so.1", libraryDirs())
	g.Expect(err).To(MatchError(HavePrefix("no library libnone.so.1 in ")))
	if os.Geteuid() != 0 {
		t.Skip("to run the programs takes chroot, which takes root")
	}
	out, err := exec.Command("/usr/sbin/chroot", root, "/bin/sh", "-c", "true && sleep 0 && echo well > /tmp/x && cat /tmp/x").CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))
	g.Expect(string(out)).To(Equal("well\n"))
}
