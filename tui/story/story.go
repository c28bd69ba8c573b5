package story

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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

// machine is what the loader is told of the machine: whoever tells a story has
// found it already, and the loader reads files only beside a scenario that is one.
const machine = "explored"

// Parse reads the story and returns the events of its last step: a createPod
// with replicas is several.
func (s Story) Parse(loader scenarios.Loader) (*scenarios.Scenario, []scenarios.Event, error) {
	if len(s.Steps) > MaxSteps {
		return nil, nil, fmt.Errorf("more than %d steps; save the session and open a new one", MaxSteps)
	}
	known := s
	known.Profile = machine
	text, err := known.Text("explored", "explored", nil)
	if err != nil {
		return nil, nil, err
	}
	if check := loader.Profile; check != nil {
		loader.Profile = func(name string) error {
			if name == machine {
				return nil
			}
			return check(name)
		}
	}
	begin := s.begin(text)
	sc, err := loader.Parse([]byte(text), file)
	if err != nil {
		return nil, nil, s.plain(err, begin)
	}
	sc.Profile = s.Profile
	var events []scenarios.Event
	for i := range sc.Steps {
		if st := &sc.Steps[i]; len(begin) > 0 && st.Line >= begin[len(begin)-1] {
			if st.Event == nil {
				return nil, nil, errors.New("an expectation is no event; what is seen is written down when the session is saved")
			}
			events = append(events, st.Event)
		}
	}
	return sc, events, nil
}

// begin is the line of the text in which each step begins.
func (s Story) begin(text string) []int {
	const head = "\nsteps:\n"
	line := strings.Count(text[:strings.Index(text, head)+len(head)], "\n") + 1
	begin := make([]int, 0, len(s.Steps))
	for _, step := range s.Steps {
		begin = append(begin, line)
		line += strings.Count(item(step), "\n")
	}
	return begin
}

// plain is a loader's error in the words of the session: nobody has seen the file,
// its lines, or the directory that it is not in.
func (s Story) plain(err error, begin []int) error {
	var texts []string
	collect(err, &texts)
	text := strings.Join(texts, "; ")
	text = strings.ReplaceAll(text, "the scenario itself is not in a directory", "a session is not in a directory; m adds the pods of a file, p takes the file of a machine")
	text = regexp.MustCompile(`\bin line [0-9]+`).ReplaceAllStringFunc(text, func(place string) string {
		line, _ := strconv.Atoi(strings.TrimPrefix(place, "in line "))
		after, _ := slices.BinarySearch(begin, line+1)
		if after == 0 {
			return "before the first step of the session"
		}
		return fmt.Sprintf("in step %d of the session (%s)", after, short(s.Steps[after-1]))
	})
	return errors.New(text)
}

// short is the beginning of a step.
func short(step string) string {
	const most = 40
	step = strings.Join(strings.Fields(step), " ")
	if r := []rune(step); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return step
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
