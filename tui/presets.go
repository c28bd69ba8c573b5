package tui

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// preset is a kind of pod to add; NAME is replaced.
type preset struct{ name, note, pod string }

// presets are pods that show something, with sizes that fit the machine. The first
// is the one to begin with.
func (e *explore) presets() []preset {
	most := e.assignable()
	one := func(cpu string) string {
		return "{name: NAME, containers: [{name: app, cpu: " + cpu + ", memory: 1Gi}]}"
	}
	var list []preset
	whole := func(cpus int, note string) {
		name := fmt.Sprintf("%d CPUs", cpus)
		if cpus == 1 {
			name = "1 CPU"
		}
		if cpus >= 1 && cpus <= most {
			list = append(list, preset{name, note, one(strconv.Itoa(cpus))})
		}
	}
	for _, cpus := range []int{2, 4, 8} {
		whole(cpus, "Guaranteed, pinned")
	}
	whole(3, "Guaranteed, an odd number: what becomes of the sibling?")
	whole(1, "Guaranteed, pinned")
	if bars := e.nodeBars(0); len(bars) > 1 {
		whole(bars[0].Total/2, "Guaranteed, half a NUMA node")
		whole(bars[0].Total+2, "Guaranteed, more than a NUMA node")
	}
	list = append(list,
		preset{"1500m", "Guaranteed, but no whole number: shared pool", one("1500m")},
		preset{"burstable", "requests below limits: shared pool", "{name: NAME, containers: [{name: app, cpuRequest: 1, cpuLimit: 2, memory: 1Gi}]}"},
		preset{"best effort", "no resources: shared pool", "{name: NAME, containers: [{name: app}]}"},
		preset{fmt.Sprintf("%d CPUs, too many", most+1), "Guaranteed, more than is assignable: rejected", one(strconv.Itoa(most + 1))},
	)
	if most < 2 {
		return list
	}
	list = append(list, preset{"bare init container", "2 CPUs, an init container without resources: not pinned", "{name: NAME, initContainers: [{name: setup}], containers: [{name: app, cpu: 2, memory: 1Gi}]}"})
	if most >= 4 {
		list = append(list, preset{"held init container", "2 CPUs, init container with 4 that runs until e ends it", "{name: NAME, holdInit: true, initContainers: [{name: setup, cpu: 4, memory: 1Gi}], containers: [{name: app, cpu: 2, memory: 1Gi}]}"})
	}
	if most >= 3 {
		list = append(list,
			preset{"sidecar", "2 CPUs and a Guaranteed sidecar with 1", "{name: NAME, initContainers: [{name: proxy, cpu: 1, memory: 256Mi, restartPolicy: Always}], containers: [{name: app, cpu: 2, memory: 1Gi}]}"},
			preset{"two containers", "2 CPUs and a fraction: one is pinned", "{name: NAME, containers: [{name: app, cpu: 2, memory: 1Gi}, {name: log, cpu: 100m, memory: 64Mi}]}"})
	}
	if most >= 6 {
		list = append(list, preset{"three replicas", "2 CPUs each", "{name: NAME, replicas: 3, containers: [{name: app, cpu: 2, memory: 1Gi}]}"})
	}
	return list
}

// assignable is how many CPUs pods can have at most: those that are online and
// not reserved, whoever has them now.
func (e *explore) assignable() int {
	if !e.ready() {
		return 0
	}
	return e.machine.Profile.OnlineCPUs().Difference(e.seen.Config.Reserved.Set()).Size()
}

func (m *Model) pickPreset() {
	choices := []choice{{name: "a line…", note: "NAME CPUS [MEMORY] [xREPLICAS], or the scenarios' shorthand", do: func(m *Model) tea.Cmd {
		m.askPod(m.explore.newName("pod") + " 2 1Gi")
		return nil
	}}}
	for _, p := range m.explore.presets() {
		choices = append(choices, choice{name: p.name, note: p.note, do: func(m *Model) tea.Cmd {
			return m.do("createPod: " + strings.ReplaceAll(p.pod, "NAME", m.explore.newName("pod")))
		}})
	}
	p := newPicker("add a pod", choices)
	p.at = 1
	p.typedHint = "enter adds it, as NAME CPUS [MEMORY] [xREPLICAS]"
	p.typed = func(m *Model, text string) tea.Cmd { // a line without choosing "a line…" first
		m.askPod(text)
		return m.overlay.key(m, tea.KeyPressMsg{Code: tea.KeyEnter})
	}
	m.overlay = p
}

// newName is a pod name that nobody had yet.
func (e *explore) newName(base string) string {
	for i := 1; ; i++ {
		name := fmt.Sprintf("%s-%d", base, i)
		if e.names[name] == 0 && e.names[name+"-0"] == 0 && !e.waiting(name) {
			return name
		}
	}
}

// waiting says that a step which is not done yet names a pod.
func (e *explore) waiting(name string) bool {
	for _, step := range append([]string{e.busy}, e.queue...) {
		if strings.Contains(step, "name: "+name+",") {
			return true
		}
	}
	return false
}

func (m *Model) askPod(text string) {
	m.overlay = newPrompt("add a pod", text, []string{
		"NAME CPUS [MEMORY] [xREPLICAS], requests = limits; or the scenarios' shorthand:",
		"{name: web, containers: [{name: app, cpuRequest: 1, cpuLimit: 2, memory: 1Gi}]}",
	}, func(m *Model, text string) (tea.Cmd, error) {
		step, err := podStep(text)
		if err != nil {
			return nil, err
		}
		return m.do(step), nil
	})
}

// podStep reads a line that describes a pod.
func podStep(text string) (string, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		return "createPod: " + text, nil
	}
	words := strings.Fields(text)
	if len(words) < 2 || len(words) > 4 {
		return "", errors.New("want NAME CPUS [MEMORY] [xREPLICAS], like web 2 1Gi x3")
	}
	memory, replicas := "1Gi", ""
	for _, w := range words[2:] {
		if m := regexp.MustCompile(`^x([0-9]+)$`).FindStringSubmatch(w); m != nil {
			replicas = ", replicas: " + m[1]
		} else {
			memory = w
		}
	}
	for _, w := range append(words[:2:2], memory) {
		if strings.ContainsAny(w, "{}[],:#&*!|>'\"%@`") {
			return "", fmt.Errorf("%s: want a name or an amount", w)
		}
	}
	return fmt.Sprintf("createPod: {name: %s%s, containers: [{name: app, cpu: %s, memory: %s}]}", words[0], replicas, words[1], memory), nil
}

func documents(text string) []string { return regexp.MustCompile(`(?m)^---.*$`).Split(text, -1) }
