package tui

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui/cpumap"
	"github.com/pinlab/pinlab/tui/story"
	"github.com/pinlab/pinlab/tui/view"
)

// focus is the pane that takes the keys.
type focus int

const (
	onMap focus = iota
	onList
	onPane
	focuses
)

// The tabs of the side pane of the explorer.
const (
	tabExplain = iota
	tabChanges
	tabLog
)

func exploreTabs() []string { return []string{"explain", "changes", "log"} }

// frame is one event and what was seen after it.
type frame struct {
	step    observe.Step
	profile *hwprofiles.Profile
	changes []string
}

// maxFrames bounds what is remembered of a session; the steps themselves are
// kept for saving.
const maxFrames = 200

// maxQueue bounds the steps that wait for the one before.
const maxQueue = 32

// created is what is remembered of a pod to explain it.
type created struct {
	pod *corev1.Pod
	// asked is what the kubelet knew when it last decided about the pod.
	asked asked
	// answer is the kubelet's last one.
	answer observe.Admission
	// turn tells the decisions about pods of one name apart; 0 says that there
	// was none yet.
	turn int
}

// asked is the node as a decision found it: the machine, the configuration, and
// what other pods had.
type asked struct {
	profile *hwprofiles.Profile
	config  json.RawMessage
	before  *observe.Checkpoint
}

// explore is the state of the explorer.
type explore struct {
	mapState
	focus  focus
	filter filter

	session Session
	ref     string              // of the profile
	began   *hwprofiles.Profile // as it was at the start
	story   story.Story
	config  json.RawMessage
	frames  []frame
	expects [][]string // what was seen after each step of the story, once
	pods    map[string]*created
	turn    int
	saved   int // steps that are in a file

	opening bool
	busy    string // the step that runs
	queue   []string

	rows     []podRow
	selected string // ref of a row
	top      int    // first row shown

	tab      int
	paneFrom int
	lines    []view.Line // of the pane
	onCPU    bool        // the pane explains the selected CPU, not the pod
	explain  explanation
	names    map[string]int
}

func newExplore() *explore {
	return &explore{pods: map[string]*created{}, names: map[string]int{}, focus: onList}
}

// unsaved says that a session has steps which are in no file. The first one is
// the kubelet's start.
func (e *explore) unsaved() bool { return len(e.story.Steps) > max(e.saved, 1) }

// last is the last frame, nil before the first.
func (e *explore) last() *frame {
	if len(e.frames) == 0 {
		return nil
	}
	return &e.frames[len(e.frames)-1]
}

func (e *explore) close() error {
	e.explain.stop()
	if e.session == nil || e.busy != "" {
		return nil // a running step still uses it and closes it, or the process ends
	}
	s := e.session
	e.session = nil
	return s.Close()
}

// push adds a frame and forgets the oldest.
func (e *explore) push(f frame) {
	if len(e.frames) >= maxFrames {
		n := copy(e.frames, e.frames[len(e.frames)-maxFrames+1:])
		clear(e.frames[n:])
		e.frames = e.frames[:n]
	}
	e.frames = append(e.frames, f)
}

// turnTo gives a pane the focus. What had it last of map and list is explained.
func (e *explore) turnTo(f focus) {
	e.focus, e.paneFrom = f, 0
	if f != onPane {
		e.onCPU = f == onMap
	}
}

// show takes over the last frame into map and rows.
func (e *explore) show() {
	f := e.last()
	if f == nil {
		return
	}
	var before cpumap.Marks
	if len(e.frames) > 1 {
		p := e.frames[len(e.frames)-2]
		before = cpumap.NewOwners(&p.step.Observation, p.profile, e.letters).Marks(cpumap.NewMachine(p.profile))
	}
	e.mapState.show(f.profile, f.step.Observation, before, e.filter.text)
	at := max(e.at(), 0)
	e.rows = podRows(&f.step.Observation, e.owners, e.pods, e.filter.text)
	if e.row() == nil && len(e.rows) > 0 {
		// The neighbour of a row that is gone: the next one in its place.
		e.selected = e.rows[min(at, len(e.rows)-1)].ref
	}
}

// row is the selected row.
func (e *explore) row() *podRow {
	if i := e.at(); i >= 0 {
		return &e.rows[i]
	}
	return nil
}

func (e *explore) at() int {
	for i := range e.rows {
		if e.rows[i].ref == e.selected {
			return i
		}
	}
	return -1
}
