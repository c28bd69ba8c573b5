package kubelet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"unsafe"

	"k8s.io/kubernetes/pkg/kubelet/checkpointmanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager/state"

	"github.com/pinlab/pinlab/sim/observe"
)

// hookedStore is a CheckpointManager whose writes go through a WriteHook.
type hookedStore struct {
	checkpointmanager.CheckpointManager
	lifetime *Lifetime
}

// CreateCheckpoint implements upstream's CheckpointManager.
func (s hookedStore) CreateCheckpoint(file string, c checkpointmanager.Checkpoint) error {
	return s.lifetime.params.OnWrite(file, func() error {
		err := s.CheckpointManager.CreateCheckpoint(file, c)
		if cpu, ok := c.(*state.CPUManagerCheckpoint); ok && err == nil {
			s.lifetime.written, s.lifetime.writtenState = &cpu.CheckpointData, nil
		}
		return err
	})
}

// Written is what upstream last put into the CPU manager's state file through
// the WriteHook; nil before that.
func (l *Lifetime) Written() (*CPUState, error) {
	if l.written == nil {
		return nil, nil
	}
	if l.writtenState != nil {
		return l.writtenState, nil
	}
	var err error
	l.writtenState, err = newCPUState(l.written.PolicyName, l.written.DefaultCPUSet, l.written.Entries, nil)
	return l.writtenState, err
}

// interceptWrites puts the WriteHook between a manager's state and its
// checkpoint manager. Upstream makes both inside Start and hands neither out,
// so the state's private field is replaced. The state is that of the real
// manager, and the writes that reach the disk are upstream's own.
func (l *Lifetime) interceptWrites(file string, of any) error {
	if l.params.OnWrite == nil {
		return nil
	}
	v := reflect.ValueOf(of)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("%s: cannot follow the writes of a %T; pinlab must be adapted to this kubelet version", file, of)
	}
	field := v.Elem().FieldByName("checkpointManager")
	if !field.IsValid() || field.Type() != reflect.TypeFor[checkpointmanager.CheckpointManager]() {
		return fmt.Errorf("%s: %T has no checkpointManager; pinlab must be adapted to this kubelet version", file, of)
	}
	slot := (*checkpointmanager.CheckpointManager)(unsafe.Pointer(field.UnsafeAddr()))
	if _, done := (*slot).(hookedStore); !done {
		*slot = hookedStore{CheckpointManager: *slot, lifetime: l}
	}
	return nil
}

// ErrCannot marks what a lifetime cannot play.
var ErrCannot = errors.New("cannot be simulated")

// Messages of upstream's Start, in the order in which they appear.
const (
	msgLoading = "trying to load v4 CPU manager checkpoint"
	msgDefault = "Updated default CPUSet"
)

// watchStart follows the CPU manager's Start by its log. A missing file is
// written before anything can be intercepted: the hook is told of that write
// around upstream's own. The second write, of a fresh state's shared pool,
// comes after the manager has its state, and can be intercepted.
func (l *Lifetime) watchStart(msg string) {
	if l.params.OnWrite == nil {
		return
	}
	switch msg {
	case msgLoading:
		_, err := os.Stat(filepath.Join(l.params.StateDir, observe.CPUStateFile))
		if errors.Is(err, fs.ErrNotExist) {
			// The hook cannot stop upstream from writing here, only end it.
			if err := l.params.OnWrite(observe.CPUStateFile, func() error { return nil }); err != nil {
				l.cannot = fmt.Errorf("%w: the first write of a missing %s cannot be made to fail with %w; limitOpenFiles can", ErrCannot, observe.CPUStateFile, err)
			}
		}
	case msgDefault:
		if of := l.cpu.State(); of != nil {
			_ = l.interceptWrites(observe.CPUStateFile, of)
		}
	}
}
