package tui

import (
	"strings"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui/cpumap"
	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// mapState is a map and what the user has chosen to see of it.
type mapState struct {
	machine *cpumap.Machine
	owners  *cpumap.Owners
	marks   cpumap.Marks // as drawn
	bare    cpumap.Marks // without highlights and filter
	letters cpumap.Letters
	seen    observe.Observation

	scope cpumap.Scope
	level cpumap.Level // chosen by the user; Auto by size
	cpu   int          // selected
	from  int          // first line shown

	plan    *cpumap.Plan
	planned planKey
}

// planKey is what a plan depends on.
type planKey struct {
	machine       *cpumap.Machine
	scope         cpumap.Scope
	level         cpumap.Level
	width, height int
}

// ready says that there is something to draw.
func (s *mapState) ready() bool { return s.machine != nil }

// show takes over what was seen; before are the marks to compare with, nil to
// highlight nothing.
func (s *mapState) show(p *hwprofiles.Profile, o observe.Observation, before cpumap.Marks, filter string) {
	if s.machine == nil || s.machine.Profile != p {
		s.machine = cpumap.NewMachine(p)
		if !s.machine.Has(s.scope, s.machine.First(s.scope)) {
			s.scope = cpumap.Scope{}
		}
		if !s.machine.Has(s.scope, s.cpu) {
			s.cpu = s.machine.First(s.scope)
		}
	}
	s.seen = o
	s.letters = s.letters.Next(&o)
	s.owners = cpumap.NewOwners(&s.seen, p, s.letters)
	s.bare = s.owners.Marks(s.machine)
	s.paint(before, filter)
}

// paint sets off what has changed and dims what a filter leaves out.
func (s *mapState) paint(before cpumap.Marks, filter string) {
	s.marks = append(cpumap.Marks{}, s.bare...)
	if before != nil {
		s.marks = s.marks.Changed(before)
	}
	if filter != "" {
		s.marks = s.marks.Only(func(cpu int) bool {
			w := s.owners.Of(cpu)
			return w != nil && matches(w.Name, filter)
		})
	}
}

// matches is the filter's rule everywhere: part of the text, in any case.
func matches(text, filter string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(filter))
}

// mapLines is how many lines a map may have at most.
const mapLines = 1000

// arrange makes the plan for an area, keeps the cursor in sight, and shares out
// the area between the map and the panes.
func (s *mapState) arrange(a paint.Area, f focus) exploreLayout {
	if !s.ready() {
		return s.layout(a, f)
	}
	grid := layoutExplore(a, mapLines, f).grid
	s.fit(grid.W, grid.H)
	l := s.layout(a, f)
	s.from = s.plan.Scroll(s.from, l.grid.H, s.plan.Line(s.cpu))
	return l
}

// layout is where the panes are, once the plan is made.
func (s *mapState) layout(a paint.Area, f focus) exploreLayout {
	if !s.ready() || s.plan == nil {
		return layoutExplore(a, mapLines, f)
	}
	l := layoutExplore(a, s.plan.Lines, f)
	if l.stacked && f != onList && len(s.owners.List) > 0 {
		l.nameOwners()
	}
	return l
}

// drawLegend explains the signs, and the letters where no list does.
func (s *mapState) drawLegend(l exploreLayout, signs []cpumap.Entry) {
	view.Legend(l.legend, signs)
	view.Legend(l.owners, s.owners.Letters())
}

// fit makes the plan for so many columns and lines. Folding levels until they
// fit is most of the work of a frame, so it is done only for another size.
func (s *mapState) fit(w, h int) {
	key := planKey{s.machine, s.scope, s.level, w, h}
	if s.plan == nil || s.planned != key {
		level := s.level
		if level == cpumap.Auto {
			level = s.machine.Choose(s.scope, w, h)
		}
		s.plan, s.planned = s.machine.Plan(s.scope, level, w), key
	}
}

func (s *mapState) draw(a paint.Area, focused bool) {
	if !s.ready() || s.plan == nil {
		return
	}
	cpu := s.cpu
	if !focused {
		cpu = -1
	}
	s.plan.Draw(a, s.marks, cpu, s.from)
	if s.from > 0 {
		a.Set(a.W-1, 0, '▲', paint.Dim, 0)
	}
	if s.from+a.H < s.plan.Lines {
		a.Set(a.W-1, a.H-1, '▼', paint.Dim, 0)
	}
}

// note says what is shown, for the line above the map.
func (s *mapState) note() string {
	if s.plan == nil {
		return ""
	}
	return s.scope.String() + ", " + s.plan.Level.String()
}

// selectedCPU is what the cursor is on.
func (s *mapState) selectedCPU() (hwprofiles.CPU, bool) {
	if !s.ready() {
		return hwprofiles.CPU{}, false
	}
	return s.machine.Profile.CPU(s.cpu)
}

func (s *mapState) move(d cpumap.Direction) {
	if s.plan != nil {
		s.cpu = s.plan.Move(s.cpu, d)
	}
}

// page moves by as many lines as are shown.
func (s *mapState) page(d cpumap.Direction) {
	if s.plan == nil {
		return
	}
	y := s.plan.Line(s.cpu)
	for abs(s.plan.Line(s.cpu)-y) < max(s.planned.height-1, 1) {
		was := s.cpu
		if s.move(d); s.cpu == was {
			return
		}
	}
}

// end goes to the first or the last CPU of the map.
func (s *mapState) end(last bool) {
	if s.plan == nil || len(s.plan.Cells) == 0 {
		return
	}
	at := 0
	if last {
		at = len(s.plan.Cells) - 1
	}
	s.cpu = s.plan.Cells[at].CPUs[0]
}

func abs(n int) int { return max(n, -n) }

func (s *mapState) zoomIn() {
	if s.ready() {
		s.scope = s.machine.In(s.scope, s.cpu)
		s.level, s.from = cpumap.Auto, 0
	}
}

func (s *mapState) zoomOut() {
	if s.ready() {
		s.scope = s.machine.Out(s.scope)
		s.level, s.from = cpumap.Auto, 0
	}
}

// unfold changes the level by one step.
func (s *mapState) unfold(finer bool) {
	if s.plan == nil {
		return
	}
	if finer {
		s.level = s.machine.Finer(s.plan.Level)
	} else {
		s.level = s.machine.Coarser(s.plan.Level)
	}
}

// click selects what is drawn at a place of the area.
func (s *mapState) click(x, y int) bool {
	if s.plan == nil {
		return false
	}
	cpu := s.plan.Hit(x, y+s.from)
	if cpu < 0 {
		return false
	}
	s.cpu = cpu
	return true
}
