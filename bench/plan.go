package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/pinlab/pinlab/bench/measure"
	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/hwprofiles"
)

// Request is what to measure, in a user's words. The configurations are all
// combinations; an empty list stands for its default. A Request that names no
// list at all is the default plan: a small set that shows how the cost grows.
type Request struct {
	Profiles []string
	Policies []string // none, static
	// Options are sets of CPU manager policy options; each makes configurations
	// of its own.
	Options          []map[string]string
	TopologyPolicies []string
	TopologyScopes   []string
	Fills            []string
	Requests         []int
	// Containers are over how many each pod spreads its CPUs. By default it is
	// one; two where topology scopes are named, which say nothing about a pod of
	// one container.
	Containers []int
	Storages   []string
	Operations []string
	// Repetitions is the number of processes for each configuration.
	Repetitions int
	// Samples of each operation in a configuration, spread over the
	// repetitions; 0 leaves it to Time.
	Samples int
	// Time for taking samples in a configuration.
	Time time.Duration
	// Deadline of a configuration, all of its repetitions together.
	Deadline time.Duration
	// DiskDir is where state files are put for storage disk.
	DiskDir string
}

// Defaults of a Request.
const (
	DefaultRepetitions = 8
	DefaultTime        = 400 * time.Millisecond
	DefaultDeadline    = 30 * time.Second
	defaultRequest     = 4
)

// Plan is what Run does.
type Plan struct {
	Configs    []Config
	Operations []Operation
	// Machines are those of the configurations.
	Machines                         []Machine
	Repetitions, Samples             int
	Time, Deadline                   time.Duration
	DiskDir, MemoryDir, ProgramBuild string
	// Command makes a child process that calls Serve on its standard input and
	// output.
	Command func(ctx context.Context) *exec.Cmd
}

// ErrInput marks a request that cannot be measured because of what it says.
var ErrInput = errors.New("bad input")

// InputError is bad input, with what would be right.
type InputError struct{ Text string }

func (e *InputError) Error() string { return e.Text }

// Is says that an InputError is an ErrInput.
func (e *InputError) Is(target error) bool { return target == ErrInput }

func badInput(format string, args ...any) error {
	return &InputError{fmt.Sprintf(format, args...)}
}

// NewPlan checks a request and lists its configurations.
func NewPlan(r Request) (*Plan, error) {
	p := &Plan{
		Repetitions: or(r.Repetitions, DefaultRepetitions), Samples: r.Samples,
		Time: or(r.Time, DefaultTime), Deadline: or(r.Deadline, DefaultDeadline), DiskDir: r.DiskDir,
	}
	switch {
	case p.Repetitions < 1:
		return nil, badInput("repetitions %d: want at least 1", p.Repetitions)
	case p.Samples < 0:
		return nil, badInput("samples %d: want at least 1", p.Samples)
	case p.Time < 0:
		return nil, badInput("time %v: want a positive duration", p.Time)
	case p.Deadline < 0:
		return nil, badInput("deadline %v: want a positive duration", p.Deadline)
	}
	var err error
	if p.Operations, err = operations(r.Operations); err != nil {
		return nil, err
	}
	if r.names() {
		err = p.cross(r)
	} else {
		err = p.defaults()
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// names says whether the request names any list of configurations.
func (r Request) names() bool {
	return len(r.Profiles)+len(r.Policies)+len(r.Options)+len(r.TopologyPolicies)+len(r.TopologyScopes)+len(r.Fills)+len(r.Requests)+len(r.Containers)+len(r.Storages) > 0
}

// The values of a configuration's fields.
func policies() []string { return []string{measure.PolicyNone, measure.PolicyStatic} }

func topologyPolicies() []string {
	return []string{"none", "best-effort", "restricted", "single-numa-node"}
}
func topologyScopes() []string { return []string{"container", "pod"} }
func storages() []string       { return []string{string(record.Memory), string(record.Disk)} }

func operations(names []string) ([]Operation, error) {
	if len(names) == 0 {
		return record.Operations(), nil
	}
	var valid []string
	for _, op := range record.Operations() {
		valid = append(valid, string(op))
	}
	if err := oneOf("operation", names, valid); err != nil {
		return nil, err
	}
	var out []Operation
	for _, op := range record.Operations() {
		if slices.Contains(names, string(op)) {
			out = append(out, op)
		}
	}
	return out, nil
}

// oneOf checks a list against what is valid, and suggests what is close.
func oneOf(field string, list, valid []string) error {
	for _, v := range list {
		if slices.Contains(valid, v) {
			continue
		}
		if near, alone := hwprofiles.Nearest(v, valid); near != "" && alone {
			return badInput("%s %q: did you mean %q? (want %s)", field, v, near, strings.Join(valid, ", "))
		}
		return badInput("%s %q: want %s", field, v, strings.Join(valid, ", "))
	}
	return nil
}
