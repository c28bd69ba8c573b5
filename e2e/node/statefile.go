package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/scenarios"
)

func (t *Target) changeFile(ctx context.Context, file scenarios.StateFile, event scenarios.Event) error {
	t.restart.touch()
	var f agent.Facts
	if err := t.call(ctx, "Facts", agent.None{}, &f); err != nil {
		return err
	}
	now := f.CPUState
	if file == scenarios.MemoryState {
		now = f.MemoryState
	}
	var data []byte
	if now.Exists {
		data = append([]byte{}, now.Data...) // an empty file is not none
	}
	next, err := t.opts.Files(event, data, t.uid)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: there is no %s to edit", scenarios.ErrMisuse, file)
	} else if err != nil {
		return err
	}
	return t.call(ctx, "WriteFile", agent.WriteFile{Name: string(file), Data: next}, &agent.None{})
}

// restartRecord remembers whether anything that a restart depends on has been
// touched since the last successful start.
type restartRecord struct{ succeeded, touched, unchanged bool }

func (r *restartRecord) touch()    { r.touched = true }
func (r *restartRecord) starting() { r.unchanged = r.succeeded && !r.touched }

func (r *restartRecord) started(ok bool) {
	if ok {
		r.succeeded, r.touched = true, false
	}
}

// sortedNames are the keys of a map in order.
func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
