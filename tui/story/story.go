package story

import (
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/scenarios"
)

// MaxSteps bounds a story: it is kept whole, so that it can be saved.
const MaxSteps = 2000

// Story is a scenario that grows.
type Story struct {
	// Profile is the machine's name, file or shape.
	Profile string
	// Kubelet is a KubeletConfiguration, as YAML or JSON.
	Kubelet string
	// Steps are single steps, each as YAML: "deletePod: web-0".
	Steps []string
}

// With is the story with one more step.
func (s Story) With(step string) Story {
	s.Steps = append(s.Steps[:len(s.Steps):len(s.Steps)], step)
	return s
}

// file is what messages about a story call its file.
const file = "step"

// Text is the story as a scenario file. After each step come the lines that
// after gives, nil for none.
func (s Story) Text(name, comment string, after func(step int) []string) (string, error) {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(comment), "\n") {
		b.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
	fmt.Fprintf(&b, "apiVersion: %s\nkind: %s\n", scenarios.APIVersion, scenarios.Kind)
	write := func(key string, value any) error {
		data, err := yaml.Marshal(map[string]any{key: value})
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		b.Write(data)
		return nil
	}
	if err := write("metadata", map[string]any{"name": name}); err != nil {
		return "", err
	}
	if err := write("profile", s.Profile); err != nil {
		return "", err
	}
	if strings.TrimSpace(s.Kubelet) != "" {
		var kubelet any
		if err := yaml.Unmarshal([]byte(s.Kubelet), &kubelet); err != nil {
			return "", fmt.Errorf("kubelet configuration: %w", err)
		}
		if err := write("kubelet", kubelet); err != nil {
			return "", err
		}
	}
	b.WriteString("steps:\n")
	for i, step := range s.Steps {
		b.WriteString(item(step))
		if after == nil {
			continue
		}
		for _, line := range after(i) {
			b.WriteString(line + "\n")
		}
	}
	return b.String(), nil
}

// item is a step as an item of the list.
func item(step string) string {
	lines := strings.Split(strings.TrimRight(step, "\n"), "\n")
	for i := range lines {
		lead := "  "
		if i == 0 {
			lead = "- "
		}
		lines[i] = strings.TrimRight(lead+lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// Parse reads the story and returns the events of its last step: a createPod
// with replicas is several.
func (s Story) Parse(loader scenarios.Loader) (*scenarios.Scenario, []scenarios.Event, error) {
	if len(s.Steps) > MaxSteps {
		return nil, nil, fmt.Errorf("more than %d steps; save the session and open a new one", MaxSteps)
	}
	text, err := s.Text("explored", "explored", nil)
	if err != nil {
		return nil, nil, err
	}
	last := strings.Count(text[:strings.LastIndex(text, item(s.last()))], "\n") + 1
	sc, err := loader.Parse([]byte(text), file)
	if err != nil {
		return nil, nil, plain(err)
	}
	var events []scenarios.Event
	for i := range sc.Steps {
		if st := &sc.Steps[i]; st.Line >= last && len(s.Steps) > 0 {
			if st.Event == nil {
				return nil, nil, errors.New("an expectation is no event; what is seen is written down when the session is saved")
			}
			events = append(events, st.Event)
		}
	}
	return sc, events, nil
}

func (s Story) last() string {
	if len(s.Steps) == 0 {
		return ""
	}
	return s.Steps[len(s.Steps)-1]
}

// plain is a loader's error without file and line, which the user has not seen.
func plain(err error) error {
	var texts []string
	collect(err, &texts)
	return errors.New(strings.Join(texts, "; "))
}

func collect(err error, texts *[]string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			collect(e, texts)
		}
		return
	}
	var at *scenarios.Error
	if errors.As(err, &at) {
		*texts = append(*texts, at.Message)
		return
	}
	*texts = append(*texts, err.Error())
}
