package sim

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/sim/kubelet"
)

// Pinning returns a function that says of a container of a manifest how many
// CPUs it is promised for itself under a KubeletConfiguration (JSON), 0 for
// none, and why. A configuration that cannot be decoded promises nothing.
func Pinning(d *kubelet.ConfigDecoder) func(config []byte, pod *corev1.Pod, c *corev1.Container) (int, string) {
	var last string
	var decoded *kubelet.Config
	return func(config []byte, pod *corev1.Pod, c *corev1.Container) (int, string) {
		if decoded == nil || string(config) != last {
			cfg, err := d.Decode(config)
			if err != nil {
				return 0, "the kubelet configuration is refused: " + err.Error()
			}
			last, decoded = string(config), cfg
		}
		return kubelet.Pinning(decoded, pod, c)
	}
}
