package hwprofiles

import (
	"io"
	"os"
	"testing"

	"k8s.io/klog/v2"
)

// cadvisor logs what it misses in a tree; in these tests that is expected.
func TestMain(m *testing.M) {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	os.Exit(m.Run())
}
