package explore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/worker"
)

// request is a batch of replays on its way to a child.
type request struct {
	Jobs    []wireJob     `json:"jobs"`
	Timeout time.Duration `json:"timeout"`
	TempDir string        `json:"tempDir"`
	// State asks for states in place of features.
	State bool `json:"state,omitempty"`
	// Memory is the child's share in bytes, 0 without a bound.
	Memory int64 `json:"memory,omitempty"`
}

type wireJob struct {
	Genome   *genome       `json:"genome,omitempty"`
	Scenario *wireScenario `json:"scenario,omitempty"`
}

// reply is what a child says of each job, in their order.
type reply struct {
	Outcome *Outcome `json:"outcome,omitempty"`
	// Failed is the harness's own failure.
	Failed string `json:"failed,omitempty"`
	// Leaving says that the child ends after this answer.
	Leaving bool `json:"leaving,omitempty"`
}

// Serve is a child's main loop. It returns after a replay that had to be given up,
// and when it has grown beyond its share of the memory.
func Serve(ctx context.Context, r io.Reader, w io.Writer, decoder *kubelet.ConfigDecoder) error {
	return serve(ctx, r, w, NewLocal(decoder))
}

func serve(ctx context.Context, r io.Reader, w io.Writer, local *Local) error {
	in, buffered := json.NewDecoder(bufio.NewReader(r)), bufio.NewWriter(w)
	out := json.NewEncoder(buffered)
	codec := newCodec()
	known := map[uint32]bool{}
	for {
		var req request
		if err := in.Decode(&req); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("explore: read jobs: %w", err)
		}
		if req.Memory > 0 {
			debug.SetMemoryLimit(req.Memory)
		}
		local.Timeout, local.Features, local.State = req.Timeout, !req.State, req.State
		local.tempDir = req.TempDir
		for _, j := range req.Jobs {
			rep := serveOne(ctx, local, codec, j)
			switch {
			case rep.Outcome == nil:
			case j.Genome == nil:
				rep.Outcome.Features = nil // nobody gathers what a replay for shrinking reaches
			default:
				rep.Outcome.Features = news(known, rep.Outcome.Features)
			}
			rep.Leaving = local.Abandoned || req.Memory > 0 && heap() > req.Memory
			if err := errors.Join(out.Encode(rep), buffered.Flush()); err != nil {
				return fmt.Errorf("explore: write outcome: %w", err)
			}
			if rep.Leaving {
				return nil
			}
		}
	}
}

func serveOne(ctx context.Context, local *Local, codec *codec, j wireJob) reply {
	todo := job{Genome: j.Genome}
	if j.Scenario != nil {
		var err error
		if todo.Scenario, err = codec.decode(j.Scenario); err != nil {
			return reply{Failed: err.Error()}
		}
	}
	out, err := local.Many(ctx, []job{todo})
	if err != nil {
		return reply{Failed: err.Error()}
	}
	return reply{Outcome: &out[0]}
}

// news are the features that this child has not told of yet. Whoever gathers them
// loses nothing by that: a child replays genomes in their order, so that the first to
// have shown a feature is told of it, with any number of children.
func news(known map[uint32]bool, features []uint32) []uint32 {
	fresh := features[:0]
	for _, f := range features {
		if !known[f] {
			known[f] = true
			fresh = append(fresh, f)
		}
	}
	return fresh
}

func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// NewLocal is a Worker with the simulated node around the real managers.
func NewLocal(decoder *kubelet.ConfigDecoder) *Local {
	profiles := map[string]*hwprofiles.Profile{}
	resolve := func(ref string) (*hwprofiles.Profile, error) {
		if p := profiles[ref]; p != nil {
			return p, nil
		}
		p, err := worker.Resolve(ref, "/")
		if err == nil {
			profiles[ref] = p
		}
		return p, err
	}
	paths := kubelet.NewPaths()
	l := &Local{gen: newGenerator(resolve, kubelet.PreparePod)}
	l.Resolve, l.Features = resolve, true
	l.Setup = func(s *scenarios.Scenario, p *hwprofiles.Profile) (Node, error) {
		return sim.New(s, p, sim.Options{Decoder: decoder, TempDir: l.tempDir, Resolve: resolve, OwnProcess: true, Statements: true, Paths: paths})
	}
	return l
}

// Process is a Worker in a process of its own, which is ended when a replay hangs
// and started again when it crashed.
type Process struct {
	// Command makes a child that calls Serve.
	Command func(ctx context.Context) *exec.Cmd
	Timeout time.Duration
	TempDir string
	State   bool
	Memory  int64

	codec   *codec
	process *worker.Process
}

// slack is how much longer than the timeout a child may be silent.
const slack = 5 * time.Second

// Replay implements Replayer.
func (p *Process) Replay(ctx context.Context, s *scenarios.Scenario) (Outcome, error) {
	out, err := p.Many(ctx, []job{{Scenario: s}})
	if err != nil {
		return Outcome{}, err
	}
	return out[0], nil
}

// Many implements Worker.
func (p *Process) Many(ctx context.Context, jobs []job) ([]Outcome, error) {
	if p.codec == nil {
		p.codec = newCodec()
	}
	outcomes := make([]Outcome, 0, len(jobs))
	for len(outcomes) < len(jobs) {
		left := jobs[len(outcomes):]
		more, err := p.ask(ctx, left)
		if err != nil {
			return nil, err
		}
		outcomes = append(outcomes, more...)
	}
	return outcomes, nil
}

// ask sends jobs to the child and returns the outcomes of as many as it has done
// before it left, at least one.
func (p *Process) ask(ctx context.Context, jobs []job) ([]Outcome, error) {
	req := request{Timeout: p.Timeout, TempDir: p.TempDir, State: p.State, Memory: p.Memory}
	for _, j := range jobs {
		w := wireJob{Genome: j.Genome}
		if j.Scenario != nil {
			var err error
			if w.Scenario, err = p.codec.encode(j.Scenario); err != nil {
				return nil, err
			}
		}
		req.Jobs = append(req.Jobs, w)
	}
	if p.process == nil {
		var err error
		if p.process, err = worker.StartProcess(p.Command(ctx)); err != nil {
			return nil, err
		}
	}
	var outcomes []Outcome
	err := p.process.Send(req)
	for err == nil && len(outcomes) < len(jobs) {
		var rep reply
		silent := time.AfterFunc(patienceFactor*p.Timeout+slack, p.process.Kill)
		err = p.process.Receive(&rep)
		silent.Stop()
		switch {
		case err != nil:
		case rep.Failed != "":
			return nil, fmt.Errorf("explore worker: %s", rep.Failed)
		default:
			outcomes = append(outcomes, *rep.Outcome)
			if rep.Leaving {
				p.Close()
				return outcomes, nil
			}
		}
	}
	if err == nil {
		return outcomes, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	stderr := p.process.Stderr()
	how := p.process.End()
	p.process = nil
	return append(outcomes, crashed(how, stderr)), nil
}

// crashed is the outcome of a replay with which its process ended.
func crashed(how, stderr string) Outcome {
	c := Cause{Broken: BrokenCrash, Detail: numbers.ReplaceAllString(how, "N"), Path: panicPath("panic(" + stderr)}
	return Outcome{Hits: []Hit{{Cause: c, Text: "the process crashed: " + how, Stack: stderr}}}
}

// Close ends the child.
func (p *Process) Close() {
	if p.process != nil {
		p.process.End()
		p.process = nil
	}
}
