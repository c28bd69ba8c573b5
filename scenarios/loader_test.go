package scenarios

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestEveryFieldOfTheFormat(t *testing.T) {
	g := gomega.NewWithT(t)
	s, err := Loader{}.LoadFile("testdata/everything.yaml")
	g.Expect(err).NotTo(gomega.HaveOccurred())

	var b strings.Builder
	steps := s.Steps
	s.Steps = nil
	text, err := json.MarshalIndent(s, "", "  ")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	fmt.Fprintf(&b, "%s\n\n", text)
	seen := map[string]bool{}
	for _, step := range steps {
		fmt.Fprintf(&b, "%d", step.Line)
		if step.Name != "" {
			fmt.Fprintf(&b, " [%s]", step.Name)
		}
		if step.Event == nil {
			text, err := json.MarshalIndent(step.Expect, "", "  ")
			g.Expect(err).NotTo(gomega.HaveOccurred())
			fmt.Fprintf(&b, " expect %s\n", text)
			continue
		}
		seen[fmt.Sprintf("%T", step.Event)] = true
		text, err := json.Marshal(step.Event)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		fmt.Fprintf(&b, " %s\n    %s\n", step.Event, text)
	}
	golden(t, "everything.golden", b.String())
	// crashContainer is an ExitContainer.
	g.Expect(seen).To(gomega.HaveLen(len(eventKeys())-1), "the file has every event")
}

func TestEventKeysAreAllRead(t *testing.T) {
	for _, key := range eventKeys() {
		_, err := Loader{}.Parse([]byte(withSteps("- {"+key+": {}}")), "x")
		if err != nil {
			gomega.NewWithT(t).Expect(err.Error()).NotTo(gomega.ContainSubstring("has no reader"))
		}
	}
}

func TestPodUIDs(t *testing.T) {
	g := gomega.NewWithT(t)
	pod := "- createPod: {name: a, containers: [{name: app}]}\n"
	load := func() []string {
		s, err := Loader{}.Parse([]byte(withSteps(pod+"- deletePod: a\n"+pod)), "x")
		g.Expect(err).NotTo(gomega.HaveOccurred())
		return []string{string(s.Steps[0].Event.(CreatePod).Pod.UID), string(s.Steps[2].Event.(CreatePod).Pod.UID)}
	}
	first := load()
	g.Expect(first[0]).To(gomega.MatchRegexp(`^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`))
	g.Expect(first[1]).NotTo(gomega.Equal(first[0]), "a pod created again is another pod")
	g.Expect(load()).To(gomega.Equal(first), "and each load gives the same")
}

func TestPodHookDefaultsAndValidates(t *testing.T) {
	g := gomega.NewWithT(t)
	l := Loader{Pod: func(p *corev1.Pod) error {
		p.Spec.SchedulerName = "set by the hook"
		return nil
	}}
	s, err := l.Parse([]byte(withSteps("- createPod: {name: a, replicas: 2, containers: [{name: app}]}")), "x")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(s.Steps).To(gomega.HaveLen(2))
	for i, step := range s.Steps {
		pod := step.Event.(CreatePod).Pod
		g.Expect(pod.Spec.SchedulerName).To(gomega.Equal("set by the hook"))
		g.Expect(pod.Name).To(gomega.Equal(fmt.Sprintf("a-%d", i)))
	}
	g.Expect(s.Steps[0].Event.(CreatePod).Pod.Spec.Containers[0].Name).To(gomega.Equal("app"))
}

func TestKubeletHookSeesThePatchedConfiguration(t *testing.T) {
	g := gomega.NewWithT(t)
	var seen []string
	l := Loader{Kubelet: func(config []byte) error {
		seen = append(seen, string(config))
		return nil
	}}
	_, err := l.Parse([]byte(strings.Replace(withSteps(`
- startKubelet: {}
- restartKubelet: {config: {b: {c: 2}, d: null}}
- restartKubelet: {config: {b: {c: 2}}}
- restartKubelet: {config: {a: 9007199254740993}}
`), "steps:", "kubelet: {a: 1, b: {x: y}, d: 4}\nsteps:", 1)), "x")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(seen).To(gomega.Equal([]string{
		`{"a":1,"b":{"x":"y"},"d":4}`,
		`{"a":1,"b":{"c":2,"x":"y"}}`,
		`{"a":9007199254740993,"b":{"c":2,"x":"y"}}`,
	}), "each configuration once")
}

func TestConfigurationIsComparedWithItsType(t *testing.T) {
	g := gomega.NewWithT(t)
	type configuration struct {
		metav1.TypeMeta `json:",inline"`
		Policy          string            `json:"cpuManagerPolicy"`
		Period          metav1.Duration   `json:"cpuManagerReconcilePeriod"`
		Factor          *float64          `json:"memoryThrottlingFactor"`
		Options         map[string]string `json:"options"`
	}
	l := Loader{KubeletType: func() any { return &configuration{} }}
	_, err := l.Parse([]byte(strings.Replace(withSteps(`
- startKubelet: {}
- restartKubelet: {config: {memoryThrottlingFactor: high,
    policy: none}}
`), "steps:", `kubelet:
  kind: KubeletConfiguration
  cpuManagerPolicy: 5
  cpuManagerReconcilePeriods: 5s
  cpuManagerReconcilePeriod: 5
  memoryThrottlingFactor: 0.8
  options: {full-pcpus-only: true}
steps:`, 1)), "x")
	g.Expect(err).To(gomega.MatchError(strings.Join([]string{
		`x:7: kubelet.cpuManagerPolicy: want a text (put it in quotes), got the number 5`,
		`x:8: unknown field "cpuManagerReconcilePeriods" in kubelet; did you mean "cpuManagerReconcilePeriod"?`,
		`x:9: kubelet.cpuManagerReconcilePeriod: bad duration "5"; want a number with its unit, like 10s or 1m30s`,
		`x:11: kubelet.options.full-pcpus-only: want a text (put it in quotes), got true`,
		`x:15: config.memoryThrottlingFactor: want a number, got the text "high"`,
		`x:16: unknown field "policy" in config; did you mean "cpuManagerPolicy"?`,
	}, "\n")))
}

func TestErrorsBelowAWrapping(t *testing.T) {
	g := gomega.NewWithT(t)
	l := Loader{Pod: func(*corev1.Pod) error {
		return fmt.Errorf("pod a: %w", field.ErrorList{
			field.Required(field.NewPath("spec", "containers").Index(0).Child("name"), ""),
			field.Required(field.NewPath("spec", "restartPolicy"), ""),
		}.ToAggregate())
	}}
	_, err := l.Parse([]byte(withSteps("- createPod:\n    name: a\n    restartPolicy: Never\n    containers:\n    - name: app\n")), "x")
	g.Expect(err).To(gomega.MatchError("x:8: pod \"a\": spec.restartPolicy: Required value\nx:10: pod \"a\": spec.containers[0].name: Required value"))
}

func TestControlCharactersAreRefused(t *testing.T) {
	g := gomega.NewWithT(t)
	load := func(text string) error {
		_, err := Loader{}.Parse([]byte(text), "x")
		return err
	}
	head := func(metadata string) string {
		return strings.Replace(withSteps("- reboot: {}"), "{name: test}", metadata, 1)
	}
	for text, want := range map[string]string{
		head(`{name: "a\e[2Jb"}`):                                      `x:3: metadata.name: control character U+001B in "a\x1b[2Jb"; want text that can be shown`,
		head(`{name: a, labels: {class: "x\u009bm"}}`):                 `x:3: metadata.labels.class: control character U+009B`,
		head(`{name: a, labels: {"k\x7f": x}}`):                        `x:3: metadata.labels: control character U+007F`,
		head(`{name: a, sources: ["http://x\r"]}`):                     `x:3: metadata.sources[0]: control character U+000D`,
		withSteps("- {name: \"s\\a\", reboot: {}}"):                    `x:6: name: control character U+0007`,
		withSteps(`- failRuntimeUpdate: {error: "\e]0;title\a"}`):      `x:6: failRuntimeUpdate.error: control character U+001B`,
		withSteps("- reboot: {}\n- expect: {kubeletError: \"a\\eb\"}"): `x:7: expect.kubeletError: control character U+001B`,
	} {
		g.Expect(load(text)).To(gomega.MatchError(gomega.ContainSubstring(want)), text)
	}
	g.Expect(load(withSteps(`- writeStateFile: {content: "\0\e[2J"}`))).To(gomega.Succeed())
	g.Expect(load(head(`{name: "größer\tals"}`))).To(gomega.Succeed())
	g.Expect(load("# \x1b[31mstory\n"+head("{name: a}"))).NotTo(gomega.Succeed(), "YAML has no control characters as they are")
	g.Expect(load("# \u009b31mstory\n" + head("{name: a}"))).NotTo(gomega.Succeed())
}

func TestLoadDirectory(t *testing.T) {
	g := gomega.NewWithT(t)
	all, err := Loader{}.Load("testdata/dir")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	names := []string{}
	for _, s := range all {
		names = append(names, s.Name+" "+s.File)
	}
	g.Expect(names).To(gomega.Equal([]string{"one testdata/dir/one.yaml", "two testdata/dir/two.yml"}))
	g.Expect(string(all[1].Kubelet)).To(gomega.ContainSubstring(`"cpuManagerPolicy":"static"`))

	_, err = Loader{}.Load(t.TempDir())
	g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("no scenario (*.yaml) in this directory")))
	err = within("d", fmt.Errorf("walk: %w", &fs.PathError{Op: "open", Path: "sub/closed", Err: fs.ErrPermission}))
	g.Expect(err).To(gomega.MatchError("d/sub/closed: permission denied"))
	if os.Geteuid() != 0 { // root may read everything
		dir := t.TempDir()
		g.Expect(os.Mkdir(filepath.Join(dir, "closed"), 0)).To(gomega.Succeed())
		_, err = Loader{}.Load(dir)
		g.Expect(err).To(gomega.MatchError(filepath.Join(dir, "closed") + ": permission denied"))
	}
	_, err = Loader{}.Load("testdata/dir", "testdata/nothing.yaml")
	g.Expect(err).To(gomega.MatchError("testdata/nothing.yaml: no such file or directory"))
}

func TestFilesStayInTheScenariosDirectory(t *testing.T) {
	g := gomega.NewWithT(t)
	dir := t.TempDir()
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: app, image: x}]}\n"
	g.Expect(os.WriteFile(filepath.Join(dir, "outside.yaml"), []byte(pod), 0o600)).To(gomega.Succeed())
	in := filepath.Join(dir, "in")
	g.Expect(os.Mkdir(in, 0o700)).To(gomega.Succeed())
	g.Expect(os.Symlink("../outside.yaml", filepath.Join(in, "link.yaml"))).To(gomega.Succeed())
	g.Expect(os.Mkdir(filepath.Join(in, "dir.yaml"), 0o700)).To(gomega.Succeed())
	load := func(name string) error {
		file := filepath.Join(in, "s.yaml")
		g.Expect(os.WriteFile(file, []byte(withSteps("- createPod: {file: "+name+"}")), 0o600)).To(gomega.Succeed())
		_, err := Loader{}.LoadFile(file)
		g.Expect(err).To(gomega.HaveOccurred())
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), file))
	}
	g.Expect(load("../outside.yaml")).To(gomega.MatchError(`:6: createPod.file: "../outside.yaml" is outside of the scenario's directory`))
	g.Expect(load("x/../../outside.yaml")).To(gomega.MatchError(`:6: createPod.file: "x/../../outside.yaml" is outside of the scenario's directory`))
	g.Expect(load(dir + "/outside.yaml")).To(gomega.MatchError(gomega.ContainSubstring("is outside of the scenario's directory")))
	g.Expect(load("link.yaml")).To(gomega.MatchError(`:6: createPod.file: "link.yaml": path escapes from parent`))
	g.Expect(load("dir.yaml")).To(gomega.MatchError(`:6: createPod.file: "dir.yaml": not a regular file`))
	g.Expect(load("none.yaml")).To(gomega.MatchError(`:6: createPod.file: "none.yaml": no such file or directory`))
}

// TestProfileFilesAreBesideTheScenario: wherever pinlab was started, and nowhere
// else on the disk.
func TestProfileFilesAreBesideTheScenario(t *testing.T) {
	g := gomega.NewWithT(t)
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	g.Expect(os.MkdirAll(filepath.Join(in, "hw"), 0o700)).To(gomega.Succeed())
	machine := "name: mine\nshape: sockets=1 cores=4\n"
	for _, name := range []string{"outside.yaml", "in/near.yaml", "in/hw/far"} {
		g.Expect(os.WriteFile(filepath.Join(dir, name), []byte(machine), 0o600)).To(gomega.Succeed())
	}
	g.Expect(os.WriteFile(filepath.Join(in, "bad.yaml"), []byte("name: mine\nshap: x\n"), 0o600)).To(gomega.Succeed())
	g.Expect(os.Symlink("../outside.yaml", filepath.Join(in, "link.yaml"))).To(gomega.Succeed())
	asked := []string{}
	load := func(profile, swap string) (*Scenario, error) {
		file := filepath.Join(in, "s.yaml")
		text := strings.Replace(withSteps("- swapProfile: "+swap), "profile: p", "profile: "+profile, 1)
		g.Expect(os.WriteFile(file, []byte(text), 0o600)).To(gomega.Succeed())
		return Loader{Profile: func(name string) error { asked = append(asked, name); return nil }}.LoadFile(file)
	}
	s, err := load("./near.yaml", "hw/far")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(s.Profile).To(gomega.Equal(filepath.Join(in, "near.yaml")))
	g.Expect(s.Steps[0].Event).To(gomega.Equal(SwapProfile{Profile: filepath.Join(in, "hw/far")}))
	g.Expect(asked).To(gomega.BeEmpty())
	s, err = load("generic", "sockets=1 cores=4")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(s.Profile).To(gomega.Equal("generic"))
	g.Expect(asked).To(gomega.Equal([]string{"generic", "sockets=1 cores=4"}))

	for profile, want := range map[string]string{
		"../outside.yaml":     `:4: profile: "../outside.yaml" is outside of the scenario's directory`,
		"/etc/passwd":         `:4: profile: "/etc/passwd" is outside of the scenario's directory`,
		dir + "/outside.yaml": `is outside of the scenario's directory`,
		"link.yaml":           `:4: profile: "link.yaml": path escapes from parent`,
		"./none.yaml":         `:4: profile: "./none.yaml": no such file or directory`,
		"bad.yaml":            `bad.yaml:2: `,
	} {
		_, err := load(profile, "p")
		g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(want)), profile)
	}
	_, err = load("p", "../outside.yaml")
	g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(`:6: swapProfile.profile: "../outside.yaml" is outside of the scenario's directory`)))

	t.Chdir(in)
	s, err = Loader{}.LoadFile("s.yaml")
	g.Expect(err).To(gomega.HaveOccurred())
	g.Expect(s).To(gomega.BeNil())
	_, err = load("near.yaml", "p")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	s, err = Loader{}.LoadFile("s.yaml")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(s.Profile).To(gomega.Equal("./near.yaml"), "still the name of a file")

	_, err = Loader{}.LoadFS(os.DirFS(in), "s.yaml")
	g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("an embedded scenario cannot have a profile file")))
	_, err = Loader{}.Parse([]byte(strings.Replace(withSteps("- reboot: {}"), "profile: p", "profile: ./p.yaml", 1)), "x")
	g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("the scenario itself is not in a directory")))
}

func TestErrorsOfAnotherFileNameThatFile(t *testing.T) {
	g := gomega.NewWithT(t)
	fsys := fstest.MapFS{
		"d/s.yaml": {Data: []byte(withSteps("- createPod: {file: m/p.yaml}\n- createPd: {}"))},
		"d/m/p.yaml": {Data: []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - nam: app\n---\n" +
			"apiVersion: v1\nkind: Deploymnt\n---\napiVersion: v2\nkind: Pod\n")},
	}
	_, err := Loader{}.LoadFS(fsys, "d/s.yaml")
	g.Expect(err).To(gomega.MatchError(strings.Join([]string{
		`d/s.yaml:7: unknown event "createPd"; did you mean "createPod"?`,
		`d/m/p.yaml:6: unknown field "nam" in spec.containers[0]; did you mean "name"?`,
		`d/m/p.yaml:9: unknown kind "Deploymnt"; did you mean "Deployment"?`,
		`d/m/p.yaml:11: apiVersion "v2" of a Pod is not known; want "v1"`,
	}, "\n")))
}

func TestMergeConfig(t *testing.T) {
	g := gomega.NewWithT(t)
	merged, err := MergeConfig(json.RawMessage(`{"a":{"b":1,"c":2},"l":[1,2]}`), json.RawMessage(`{"a":{"b":null},"l":[3],"n":{"x":null,"y":1}}`))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(string(merged)).To(gomega.Equal(`{"a":{"c":2},"l":[3],"n":{"y":1}}`))
	_, err = MergeConfig(json.RawMessage(`[]`), nil)
	g.Expect(err).To(gomega.HaveOccurred())
	_, err = MergeConfig(nil, json.RawMessage(`x`))
	g.Expect(err).To(gomega.HaveOccurred())
}
