package sim

import (
	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// NewLoader makes a loader that asks upstream's own code about configurations
// and pods, so that what it takes can be replayed. resolve finds machines; nil
// means hwprofiles.Resolve.
func NewLoader(decoder *kubelet.ConfigDecoder, resolve func(ref string) (*hwprofiles.Profile, error)) scenarios.Loader {
	o := Options{Resolve: resolve}
	return scenarios.Loader{
		Kubelet: func(config []byte) error {
			_, err := decoder.Decode(config)
			return err
		},
		KubeletType: func() any { return new(kubeletv1beta1.KubeletConfiguration) },
		Pod:         kubelet.PreparePod,
		Profile: func(name string) error {
			_, err := o.resolve(name)
			return err
		},
	}
}
