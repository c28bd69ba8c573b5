package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

const (
	target  = "sim"
	version = kubelet.Version
)

// Job is one scenario on one machine.
type Job struct {
	Scenario *scenarios.Scenario
	// Corpus says that Scenario.File lies in the embedded corpus.
	Corpus  bool
	Profile *hwprofiles.Profile
	// ProfileRef is what hwprofiles.Resolve makes Profile of, or Detected.
	ProfileRef string
	// Patch is the merge patch on the scenario's kubelet configuration that
	// Scenario has already; Variant is its name in a suite.
	Patch   json.RawMessage
	Variant string
}

// Detected is the ProfileRef of the machine that pinlab runs on.
const Detected = "detected"

// Resolve finds a profile by its reference; root is the machine's own.
func Resolve(ref, root string) (*hwprofiles.Profile, error) {
	if ref != Detected {
		return hwprofiles.Resolve(ref)
	}
	fsys, closer, err := hwprofiles.OpenSysroot(root)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return hwprofiles.Detect(fsys)
}

// resolveHere is Resolve on this machine.
func resolveHere(ref string) (*hwprofiles.Profile, error) { return Resolve(ref, "/") }

// request is one job on its way to a child.
type request struct {
	File    string        `json:"file"`
	Corpus  bool          `json:"corpus,omitempty"`
	Profile string        `json:"profile"`
	Timeout time.Duration `json:"timeout"`
	TempDir string        `json:"tempDir"`

	Patch  json.RawMessage `json:"patch,omitempty"`
	Repeat int             `json:"repeat,omitempty"`
	Brief  bool            `json:"brief,omitempty"`
}

// reply is what a child says: progress any number of times, then the result.
type reply struct {
	Done   int               `json:"done,omitempty"`
	Result *scenarios.Result `json:"result,omitempty"`
	// Failed says that the child could not even begin.
	Failed string `json:"failed,omitempty"`
}

// Serve is a child's main loop: jobs come in on r as JSON lines, replies go out
// on w. It returns after a replay that had to be given up.
func Serve(ctx context.Context, r io.Reader, w io.Writer, loader scenarios.Loader, decoder *kubelet.ConfigDecoder) error {
	in, out := json.NewDecoder(bufio.NewReader(r)), json.NewEncoder(w)
	for {
		var req request
		if err := in.Decode(&req); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("worker: read job: %w", err)
		}
		result, abandoned, err := serve(ctx, req, loader, decoder, out)
		rep := reply{Result: &result}
		if err != nil {
			rep = reply{Failed: err.Error()}
		}
		if err := out.Encode(rep); err != nil {
			return fmt.Errorf("worker: write result: %w", err)
		}
		if abandoned {
			return nil
		}
	}
}

func serve(ctx context.Context, req request, loader scenarios.Loader, decoder *kubelet.ConfigDecoder, out *json.Encoder) (scenarios.Result, bool, error) {
	var s *scenarios.Scenario
	var err error
	if req.Corpus {
		s, err = loader.LoadFS(scenarios.Corpus(), req.File)
	} else {
		s, err = loader.LoadFile(req.File)
	}
	if err != nil {
		return scenarios.Result{}, false, err
	}
	if s, err = s.With(req.Patch); err != nil {
		return scenarios.Result{}, false, err
	}
	p, err := Resolve(req.Profile, "/")
	if err != nil {
		return scenarios.Result{}, false, err
	}
	runner := scenarios.Runner{Progress: func(at scenarios.Progress) { _ = out.Encode(reply{Done: at.Done}) }}
	setup := sim.Setup(sim.Options{Decoder: decoder, TempDir: req.TempDir, OwnProcess: true, Resolve: resolveHere})
	result, abandoned := repeated(req.Repeat, func() (scenarios.Result, bool) {
		return Watched(ctx, req.Timeout, runner, s, setup, p)
	})
	if req.Brief {
		result = brief(result)
	}
	return result, abandoned, nil
}

// brief leaves the steps out of a result that has nothing to tell.
func brief(r scenarios.Result) scenarios.Result {
	if r.Verdict == scenarios.Pass || r.Verdict == scenarios.Skip {
		r.Steps = []observe.Step{}
	}
	return r
}
