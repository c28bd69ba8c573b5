package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// restPoll is between two looks at what costs nothing.
const restPoll = 50 * time.Millisecond

// Rest waits until nothing has changed for some time.
func (n *Node) Rest(r Rest, _ *None) error {
	started, first := time.Now(), n.signs()
	for time.Since(started).Seconds() < r.Change && n.signs() == first {
		time.Sleep(restPoll)
	}
	since, last := time.Now(), n.signs()
	for {
		time.Sleep(restPoll)
		if now := n.signs(); now != last {
			since, last = time.Now(), now
		}
		if time.Since(since).Seconds() >= r.Calm || time.Since(started).Seconds() >= r.Most {
			return nil
		}
	}
}

// signs change when a pod in the API server, a state file or the kubelet process
// does.
func (n *Node) signs() string {
	n.mu.Lock()
	api, version := n.api, uint64(0)
	n.mu.Unlock()
	if api != nil {
		version = api.Version("pods")
	}
	k := n.kubelet.state()
	text := fmt.Sprint(version, k.Starts, k.Running, k.Ready)
	for _, name := range []string{"cpu_manager_state", "memory_manager_state"} {
		if st, err := os.Stat(filepath.Join(kubeletDir, name)); err == nil {
			text += fmt.Sprint(" ", st.ModTime().UnixNano(), st.Size())
		}
	}
	return text
}
