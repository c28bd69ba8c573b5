package explore

import (
	"encoding/json"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// generator makes scenarios of genomes; the same genome gives the same scenario.
type generator struct {
	resolve  func(ref string) (*hwprofiles.Profile, error)
	machines []string
	pods     *podMaker
}

func newGenerator(resolve func(ref string) (*hwprofiles.Profile, error), prepare func(*v1.Pod) error) *generator {
	return &generator{resolve: resolve, machines: machines(), pods: newPodMaker(prepare)}
}

// world is what the generator knows of the node while it draws events: enough to
// refer to pods that exist. What makes no sense after all is left out in the replay.
type world struct {
	profile *hwprofiles.Profile
	env     podEnv
	online  []int
	running bool
	waiting bool // for the sources
	live    []livePod
	made    int
	debugs  int // ephemeral containers
	// troubles are the kinds that this life may see.
	troubles []trouble
}

type livePod struct {
	name       string
	containers []string
}

// scenario makes the scenario of a genome.
func (g *generator) scenario(of genome) (*scenarios.Scenario, error) {
	s, w, err := g.begin(&drawer{b: of.Head})
	if err != nil {
		return nil, err
	}
	for _, gene := range of.Genes {
		for _, e := range g.events(&drawer{b: gene}, w) {
			s.Steps = append(s.Steps, scenarios.Step{Event: e})
		}
	}
	return s, nil
}

// begin draws a machine and a kubelet, and starts it.
func (g *generator) begin(d *drawer) (*scenarios.Scenario, *world, error) {
	s := &scenarios.Scenario{Name: "explored", Reconcile: scenarios.ReconcileAuto, Profile: g.machines[d.n(len(g.machines))]}
	p, err := g.resolve(s.Profile)
	if err != nil {
		return nil, nil, fmt.Errorf("profile %s: %w", s.Profile, err)
	}
	if d.chance(4) {
		s.Reconcile = scenarios.ReconcileManual
	}
	s.HoldInit = d.chance(3)
	w := &world{profile: p, online: p.OnlineCPUs().List()}
	// Most lives see only a few kinds of trouble: where everything goes wrong at
	// once, nothing gets far.
	for kind := range kindsOfTrouble {
		if d.chance(3) {
			w.troubles = append(w.troubles, kind)
		}
	}
	more := 2
	if s.Profile == manyNodes {
		more = 9
	}
	w.env = podEnv{cpus: len(w.online), nodeMem: 4 << 30, devices: d.chance(more), hugePages: len(p.NUMANodes) > 0 && d.chance(more)}
	for _, n := range p.NUMANodes {
		if n.MemoryBytes > 0 {
			w.env.nodeMem = n.MemoryBytes
			break
		}
	}
	if w.env.devices {
		for i, n := range p.NUMANodes {
			for k := range 2 {
				s.Devices = append(s.Devices, scenarios.Device{Resource: deviceResource, ID: fmt.Sprintf("d%d", 2*i+k), NUMANode: n.ID})
			}
		}
	}
	if s.Kubelet, w.env.podLevel = kubeletConfig(d, p); d.chance(1) {
		// A machine with a thread or a core switched off, as it boots.
		s.Steps = append(s.Steps, scenarios.Step{Event: scenarios.OfflineCPUs{CPUs: w.cpu(d)}})
	}
	if w.env.hugePages {
		s.Steps = append(s.Steps, scenarios.Step{Event: w.hugePages(d)})
	}
	s.Steps = append(s.Steps, scenarios.Step{Event: scenarios.StartKubelet{}})
	w.running = true
	return s, w, nil
}

func (w *world) cpu(d *drawer) observe.CPUs {
	return observe.CPUs(fmt.Sprint(w.online[d.n(len(w.online))]))
}

// hugePages draws what a NUMA node has of them.
func (w *world) hugePages(d *drawer) scenarios.Event {
	nodes := w.profile.NUMANodes
	return scenarios.SetHugePages{
		NUMANode: nodes[d.n(len(nodes))].ID, Size: resource.MustParse(pick(d, "2Mi", "2Mi", "2Mi", "1Gi")), Count: pick(d, 64, 128, 1, 0),
	}
}

// events draws the event of one gene, with what belongs to it.
func (g *generator) events(d *drawer, w *world) []scenarios.Event {
	switch k := d.n(64); {
	case k < 26:
		return g.create(d, w)
	case k < 38:
		if len(w.live) == 0 {
			return g.create(d, w)
		}
		i := d.n(len(w.live))
		name := w.live[i].name
		w.live = slices.Delete(w.live, i, i+1)
		return []scenarios.Event{scenarios.DeletePod{Pod: name}}
	case k < 42:
		return w.exit(d)
	case k < 47:
		w.running = true
		w.waiting = d.chance(2)
		return []scenarios.Event{scenarios.RestartKubelet{SourcesNotReady: w.waiting}}
	case k < 50:
		w.running = !w.running
		if w.running {
			return []scenarios.Event{scenarios.StartKubelet{}}
		}
		return []scenarios.Event{scenarios.StopKubelet{}}
	case k < 53:
		return []scenarios.Event{scenarios.Reconcile{Times: 1 + d.n(2)}}
	}
	if len(w.troubles) == 0 {
		return g.create(d, w)
	}
	return g.trouble(d, w, w.troubles[d.n(len(w.troubles))])
}

func (g *generator) create(d *drawer, w *world) []scenarios.Event {
	w.made++
	pod := g.pods.pod(d, fmt.Sprintf("p%d", w.made), w.env)
	if pod == nil {
		return nil
	}
	live := livePod{name: pod.Name}
	for i := range pod.Spec.InitContainers {
		live.containers = append(live.containers, pod.Name+"/"+pod.Spec.InitContainers[i].Name)
	}
	for i := range pod.Spec.Containers {
		live.containers = append(live.containers, pod.Name+"/"+pod.Spec.Containers[i].Name)
	}
	w.live = append(w.live, live)
	create := scenarios.CreatePod{Pod: pod}
	if w.waiting { // a pod of the API server cannot come before those that it had
		w.waiting = false
		return []scenarios.Event{scenarios.SourcesReady{}, create}
	}
	return []scenarios.Event{create}
}

func (w *world) container(d *drawer) string {
	if len(w.live) == 0 {
		return ""
	}
	p := w.live[d.n(len(w.live))]
	return p.containers[d.n(len(p.containers))]
}

func (w *world) exit(d *drawer) []scenarios.Event {
	c := w.container(d)
	if c == "" {
		return nil
	}
	return []scenarios.Event{scenarios.ExitContainer{Container: c, ExitCode: pick(d, 0, 0, 1, 137)}}
}

// patch draws a change of the configuration.
func (w *world) patch(d *drawer) json.RawMessage {
	c := map[string]any{}
	switch d.n(9) {
	case 0:
		c["cpuManagerPolicy"] = pick(d, "static", "none")
	case 1:
		c["topologyManagerPolicy"] = pick(d, "none", "best-effort", "restricted", "single-numa-node")
	case 2:
		c["topologyManagerScope"] = pick(d, "container", "pod")
	case 3:
		name := pick(d, "full-pcpus-only", "strict-cpu-reservation", "distribute-cpus-across-numa", "prefer-align-cpus-by-uncorecache")
		c["cpuManagerPolicyOptions"] = map[string]any{name: pick[any](d, "true", nil)}
	case 4:
		c["reservedSystemCPUs"] = string(w.cpu(d))
	case 5:
		c["memoryManagerPolicy"] = pick(d, "None", "Static")
	case 6:
		name := pick(d, "InPlacePodVerticalScalingExclusiveCPUs", "InPlacePodVerticalScalingExclusiveMemory")
		c["featureGates"] = map[string]bool{name: d.chance(8)}
	case 7:
		name := pick(d, "align-by-socket", "distribute-cpus-across-cores")
		c["cpuManagerPolicyOptions"] = map[string]any{name: pick[any](d, "true", nil)}
		c["featureGates"] = map[string]bool{"CPUManagerPolicyAlphaOptions": true}
	default:
		c["featureGates"] = map[string]bool{"PodLevelResourceManagers": d.chance(8)}
	}
	data, _ := json.Marshal(c) // maps of plain values always have a text
	return data
}
