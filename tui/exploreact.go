package tui

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// exploreAction takes the keys that make something happen.
func (m *Model) exploreAction(k tea.KeyPressMsg) (tea.Cmd, bool) {
	keys := &m.keys
	switch {
	case key.Matches(k, keys.Profile):
		return m.pickProfile("explore another machine", m.changeMachine), true
	case key.Matches(k, keys.Config):
		m.editConfig()
	case key.Matches(k, keys.Add):
		m.pickPreset()
	case key.Matches(k, keys.Manifest):
		m.askManifest()
	case key.Matches(k, keys.Delete):
		return m.deletePod(), true
	case key.Matches(k, keys.Crash):
		return m.endContainer("crashContainer: %s"), true
	case key.Matches(k, keys.Exit):
		return m.endContainer("exitContainer: %s"), true
	case key.Matches(k, keys.Restart):
		return m.do("restartKubelet: {}"), true
	case key.Matches(k, keys.Kill):
		return m.do("killKubelet: {}"), true
	case key.Matches(k, keys.Stop):
		if f := m.explore.last(); f != nil && f.step.Observation.Kubelet != observe.KubeletRunning {
			return m.do("startKubelet: {}"), true
		}
		return m.do("stopKubelet: {}"), true
	case key.Matches(k, keys.Reconcile):
		return m.do("reconcile: {}"), true
	case key.Matches(k, keys.Fault):
		m.pickFault()
	case key.Matches(k, keys.Step):
		m.askStep("a step, as in a scenario file", "", "for example  offlineCPUs: \"3\"   advance: 10s   clobberCPUSet: {container: web/app, cpus: \"0-3\"}")
	case key.Matches(k, keys.Save):
		m.askSave()
	default:
		return nil, false
	}
	return nil, true
}

// changeMachine opens another machine, after a question when the session would
// be lost.
func (m *Model) changeMachine(ref string) tea.Cmd {
	if !m.explore.unsaved() {
		return m.openSession(ref, m.opts.Kubelet)
	}
	m.overlay = &confirm{
		title: "another machine", question: "The session is not saved as a scenario. Leave it and begin again on " + ref + "?",
		yes: func(m *Model) tea.Cmd { return m.openSession(ref, m.opts.Kubelet) },
	}
	return nil
}

func (m *Model) deletePod() tea.Cmd {
	row := m.explore.row()
	if row == nil {
		m.fail(errors.New("there is no pod to delete"))
		return nil
	}
	return m.do("deletePod: " + row.pod)
}

func (m *Model) endContainer(step string) tea.Cmd {
	row := m.explore.row()
	if row == nil || row.container == nil {
		m.fail(errors.New("no container is selected"))
		return nil
	}
	return m.do(fmt.Sprintf(step, row.container.Ref()))
}

// askStep takes any step of the scenario format.
func (m *Model) askStep(title, text, help string) {
	p := newPrompt(title, text, []string{help}, func(m *Model, text string) (tea.Cmd, error) {
		var step map[string]any
		if err := yaml.Unmarshal([]byte(text), &step); err != nil || len(step) == 0 {
			return nil, errors.New("want one step, like deletePod: web-0")
		}
		return m.do(text), nil
	})
	m.overlay = p
}

// askManifest adds the pods of a file; their text goes into the story, so that
// the scenario stands by itself.
func (m *Model) askManifest() {
	m.overlay = newPrompt("add the pods of a manifest file", "", []string{"a file with Pods, Deployments, StatefulSets, …"}, func(m *Model, name string) (tea.Cmd, error) {
		steps, err := manifestSteps(name)
		if err != nil {
			return nil, err
		}
		var cmds []tea.Cmd
		for _, step := range steps {
			cmds = append(cmds, m.do(step))
		}
		return tea.Batch(cmds...), nil
	})
}

// manifestSteps makes a createPod of each object of a file that has pods.
func manifestSteps(name string) ([]string, error) {
	if rest, ok := cutHome(name); ok {
		name = rest
	}
	st, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, unwrapPath(err))
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", name)
	case st.Size() > scenarios.MaxFileBytes:
		return nil, fmt.Errorf("%s: too large; at most %d bytes", name, scenarios.MaxFileBytes)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, unwrapPath(err))
	}
	var steps []string
	for i, doc := range documents(string(data)) {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(doc), &object); err != nil {
			return nil, fmt.Errorf("%s: document %d: %w", name, i+1, err)
		}
		if len(object) == 0 || !hasPods(object) {
			continue
		}
		text, err := json.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		steps = append(steps, fmt.Sprintf("createPod: {manifest: %s}", text))
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("%s: no pods in this file", name)
	}
	if len(steps) > maxQueue {
		return nil, fmt.Errorf("%s: %d objects with pods; at most %d at a time", name, len(steps), maxQueue)
	}
	return steps, nil
}

// hasPods leaves out Services and the like, which lie beside the workloads. What
// is not known is left to the loader, which says so.
func hasPods(object map[string]any) bool {
	switch object["kind"] {
	case "Service", "ConfigMap", "Secret", "Namespace", "ServiceAccount", "Ingress", "PersistentVolumeClaim", "HorizontalPodAutoscaler", "PodDisruptionBudget":
		return false
	}
	return true
}

func unwrapPath(err error) error {
	var at *os.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

func cutHome(name string) (string, bool) {
	if len(name) < 2 || name[:2] != "~/" {
		return "", false
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", false
	}
	return filepath.Join(home, name[2:]), true
}
