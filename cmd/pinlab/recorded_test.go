package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/lab"
	"github.com/pinlab/pinlab/e2e/node"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
)

// A conversation is what a target and the agent on a real node said to each other
// while a scenario was replayed.
type conversation struct {
	Profile string
	Hello   agent.Hello
	Calls   []exchange
	// Answers are the different ones: most of what a node says it has said before.
	Answers []json.RawMessage
}

// exchange is one call; Answer counts from 0 in Answers.
type exchange struct {
	Method string
	Args   json.RawMessage
	Answer int    `json:",omitempty"`
	Error  string `json:",omitempty"`
}

// recordings are where the scenarios were replayed, and which.
var recordings = map[string][]string{
	"kind": {"portable-pin-one", "portable-restart-keeps", "portable-clobber-repaired", "unable-to-freeze-heals", "resize-fractional"},
	"lab":  {"first-pin", "init-without-resources", "restart-policy-none-to-static", "two-numa-nodes"},
}

const recordedProfile = "sockets=2 cores=2 threads=2 memory=8GiB"

func recordedFile(on, scenario string) string {
	return filepath.Join("testdata", "recorded", on, scenario+".json.gz")
}

// TestRecorded replays scenarios on real nodes that answer from a recording: a
// kind node and one of the lab. Target and simulator must agree as they did then,
// and the target must ask for the same in the same order. When it asks for something
// else on purpose, record anew: see TestRecord.
func TestRecorded(t *testing.T) {
	tools, err := newToolchain()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for on, names := range recordings {
		for _, name := range names {
			t.Run(on+"/"+name, func(t *testing.T) {
				g := NewWithT(t)
				player := &player{options: nodeOptions(tools), said: readConversation(g, recordedFile(on, name))}
				c := compareOne(t.Context(), player, lab.Fit, tools, jobsFor(g, tools, player.said.Profile, name)[0].Job)
				g.Expect(player.wrong).NotTo(HaveOccurred())
				g.Expect(c.Verdict()).To(Equal("agree"), "%+v", c)
				g.Expect(c.Facts).To(BeNumerically(">", 20))
				g.Expect(player.at).To(Equal(len(player.said.Calls)), "all that was recorded was asked")
			})
		}
	}
}

// TestRecordedDiffers changes one CPU in what the node says.
func TestRecordedDiffers(t *testing.T) {
	g := NewWithT(t)
	tools, err := newToolchain()
	g.Expect(err).NotTo(HaveOccurred())
	c := readConversation(g, recordedFile("kind", "portable-pin-one"))
	changed := 0
	for i, a := range c.Answers {
		if text := strings.ReplaceAll(string(a), `"effective":"4"`, `"effective":"5"`); text != string(a) {
			c.Answers[i], changed = json.RawMessage(text), changed+1
		}
	}
	g.Expect(changed).To(BeNumerically(">", 0))
	player := &player{options: nodeOptions(tools), said: c}
	got := compareOne(t.Context(), player, lab.Fit, tools, jobsFor(g, tools, c.Profile, "portable-pin-one")[0].Job)
	g.Expect(got.Verdict()).NotTo(Equal("agree"))
}

// TestRecord makes the recordings, with PINLAB_RECORD=kind or lab and PINLAB_BIN a
// pinlab binary. It boots the lab.
func TestRecord(t *testing.T) {
	on, binary := os.Getenv("PINLAB_RECORD"), os.Getenv("PINLAB_BIN")
	if on == "" {
		t.Skip("boots a machine: set PINLAB_RECORD to kind or lab, and PINLAB_BIN")
	}
	g := NewWithT(t)
	tools, err := newToolchain()
	g.Expect(err).NotTo(HaveOccurred())
	f := runFlags{}
	f.kind.inLab = on == "kind"
	o := labTargetOptions(f, os.Stderr)
	o.Binary = binary
	var r *recorder
	wrap := o.Wrap
	o.Wrap = func(m node.Machine) node.Machine {
		if wrap != nil {
			m = wrap(m)
		}
		r.Machine = m
		return r
	}
	l := lab.New(o, nodeOptions(tools))
	defer func() { g.Expect(l.Close()).To(Succeed()) }()
	for _, j := range jobsFor(g, tools, recordedProfile, recordings[on]...) {
		r = &recorder{said: conversation{Profile: recordedProfile}, known: map[string]int{}}
		c := compareOne(t.Context(), l, lab.Fit, tools, j.Job)
		g.Expect(c.Verdict()).To(Equal("agree"), "%+v", c)
		r.said.Hello = r.Hello()
		r.write(g, recordedFile(on, j.Scenario.Name))
	}
}

func jobsFor(g Gomega, tools *toolchain, profile string, names ...string) []planned {
	jobs, err := selectJobs(tools.loader, names, runFlags{profiles: []string{profile}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(jobs).To(HaveLen(len(names)))
	return jobs
}

// recorder is a real node that is listened to.
type recorder struct {
	node.Machine
	said  conversation
	known map[string]int // answers
}

// Agent implements node.Machine.
func (r *recorder) Agent() node.Caller { return r }

// Call implements node.Caller.
func (r *recorder) Call(ctx context.Context, method string, args, answer any) error {
	err := r.Machine.Agent().Call(ctx, method, args, answer)
	call := exchange{Method: method, Args: mustJSON(args)}
	if err != nil {
		call.Error = err.Error()
	}
	text := mustJSON(answer)
	at, ok := r.known[string(text)]
	if !ok {
		at = len(r.said.Answers)
		r.known[string(text)] = at
		r.said.Answers = append(r.said.Answers, text)
	}
	call.Answer = at
	r.said.Calls = append(r.said.Calls, call)
	return err
}

func (r *recorder) write(g Gomega, file string) {
	g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(mustJSON(r.said))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(z.Close()).To(Succeed())
	g.Expect(os.WriteFile(file, b.Bytes(), 0o644)).To(Succeed())
}

func readConversation(g Gomega, file string) conversation {
	f, err := os.Open(file)
	g.Expect(err).NotTo(HaveOccurred())
	defer f.Close()
	z, err := gzip.NewReader(f)
	g.Expect(err).NotTo(HaveOccurred())
	var c conversation
	g.Expect(json.NewDecoder(z).Decode(&c)).To(Succeed())
	return c
}

func mustJSON(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // calls are made to be sent
	}
	return data
}

// player is a real node that says again what it said.
type player struct {
	said    conversation
	options node.Options
	at      int
	wrong   error
	seen    *hwprofiles.Profile
}

var errRecorded = errors.New("not recorded")

// Setup is a scenarios.Setup.
func (p *player) Setup(ctx context.Context, s *scenarios.Scenario, _ *hwprofiles.Profile) (scenarios.Target, error) {
	o := p.options
	o.Name, o.Resolve, o.Step = "recorded", hwprofiles.Resolve, time.Hour
	t, err := node.New(ctx, s, p, o)
	if err == nil {
		p.seen = t.Profile()
	}
	return t, err
}

// Machine implements realNode.
func (p *player) Machine() *hwprofiles.Profile { return p.seen }

// Agent implements node.Machine.
func (p *player) Agent() node.Caller { return p }

// Hello implements node.Machine.
func (p *player) Hello() agent.Hello { return p.said.Hello }

// Reboot implements node.Machine.
func (p *player) Reboot(context.Context, []int) error { return errRecorded }

// Swap implements node.Machine.
func (p *player) Swap(context.Context, *hwprofiles.Profile) error { return errRecorded }

// Close implements node.Machine.
func (p *player) Close() error { return nil }

// Call implements node.Caller.
func (p *player) Call(_ context.Context, method string, args, answer any) error {
	asked := string(mustJSON(args))
	if p.at == len(p.said.Calls) {
		p.wrong = fmt.Errorf("%w: %s %s, after the end", errRecorded, method, asked)
		return p.wrong
	}
	c := p.said.Calls[p.at]
	p.at++
	if c.Method != method || string(c.Args) != asked {
		p.wrong = fmt.Errorf("%w: call %d is %s %s, recorded is %s %s", errRecorded, p.at, method, asked, c.Method, c.Args)
		return p.wrong
	}
	if c.Error != "" {
		return errors.New(c.Error)
	}
	return json.Unmarshal(p.said.Answers[c.Answer], answer)
}
