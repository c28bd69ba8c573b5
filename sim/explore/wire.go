package explore

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/pinlab/pinlab/scenarios"
)

// eventTypes are the events by their keys in a scenario file.
func eventTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"startKubelet": reflect.TypeFor[scenarios.StartKubelet](), "stopKubelet": reflect.TypeFor[scenarios.StopKubelet](),
		"killKubelet": reflect.TypeFor[scenarios.KillKubelet](), "restartKubelet": reflect.TypeFor[scenarios.RestartKubelet](),
		"sourcesReady": reflect.TypeFor[scenarios.SourcesReady](), "createPod": reflect.TypeFor[scenarios.CreatePod](),
		"deletePod": reflect.TypeFor[scenarios.DeletePod](), "exitContainer": reflect.TypeFor[scenarios.ExitContainer](),
		"deleteStateFile": reflect.TypeFor[scenarios.DeleteStateFile](), "writeStateFile": reflect.TypeFor[scenarios.WriteStateFile](),
		"editStateFile": reflect.TypeFor[scenarios.EditStateFile](), "reboot": reflect.TypeFor[scenarios.Reboot](),
		"offlineCPUs": reflect.TypeFor[scenarios.OfflineCPUs](), "onlineCPUs": reflect.TypeFor[scenarios.OnlineCPUs](),
		"addCPUs": reflect.TypeFor[scenarios.AddCPUs](), "swapProfile": reflect.TypeFor[scenarios.SwapProfile](),
		"moveMemory": reflect.TypeFor[scenarios.MoveMemory](), "reconcile": reflect.TypeFor[scenarios.Reconcile](),
		"advance": reflect.TypeFor[scenarios.Advance](), "failRuntimeUpdate": reflect.TypeFor[scenarios.FailRuntimeUpdate](),
		"failCheckpointWrite":   reflect.TypeFor[scenarios.FailCheckpointWrite](),
		"killAtCheckpointWrite": reflect.TypeFor[scenarios.KillAtCheckpointWrite](),
		"devicesReady":          reflect.TypeFor[scenarios.DevicesReady](),
		"addEphemeralContainer": reflect.TypeFor[scenarios.AddEphemeralContainer](),
		"resizePod":             reflect.TypeFor[scenarios.ResizePod](),
		"setHugePages":          reflect.TypeFor[scenarios.SetHugePages](),
		"failCheckpointRead":    reflect.TypeFor[scenarios.FailCheckpointRead](),
		"limitOpenFiles":        reflect.TypeFor[scenarios.LimitOpenFiles](), "exhaust": reflect.TypeFor[scenarios.Exhaust](),
		"clearFaults": reflect.TypeFor[scenarios.ClearFaults](), "clobberCPUSet": reflect.TypeFor[scenarios.ClobberCPUSet](),
	}
}

// codec names events and carries them between processes.
type codec struct {
	types map[string]reflect.Type
	keys  map[reflect.Type]string
}

func newCodec() *codec {
	c := &codec{types: eventTypes(), keys: map[reflect.Type]string{}}
	for key, t := range c.types {
		c.keys[t] = key
	}
	return c
}

// key is an event's key in a scenario file.
func (c *codec) key(e scenarios.Event) string { return c.keys[reflect.TypeOf(e)] }

// wireScenario is a scenario without expectations on its way to another process.
type wireScenario struct {
	Name      string                  `json:"name"`
	Profile   string                  `json:"profile"`
	Kubelet   json.RawMessage         `json:"kubelet,omitempty"`
	Reconcile scenarios.ReconcileMode `json:"reconcile,omitempty"`
	HoldInit  bool                    `json:"holdInit,omitempty"`
	Devices   []scenarios.Device      `json:"devices,omitempty"`
	Steps     []wireStep              `json:"steps"`
}

type wireStep struct {
	Key   string          `json:"key"`
	Event json.RawMessage `json:"event"`
}

func (c *codec) encode(s *scenarios.Scenario) (*wireScenario, error) {
	w := &wireScenario{Name: s.Name, Profile: s.Profile, Kubelet: s.Kubelet, Reconcile: s.Reconcile, HoldInit: s.HoldInit, Devices: s.Devices}
	for i := range s.Steps {
		e := s.Steps[i].Event
		if e == nil {
			continue
		}
		data, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i+1, err)
		}
		w.Steps = append(w.Steps, wireStep{Key: c.key(e), Event: data})
	}
	return w, nil
}

func (c *codec) decode(w *wireScenario) (*scenarios.Scenario, error) {
	s := &scenarios.Scenario{Name: w.Name, Profile: w.Profile, Kubelet: w.Kubelet, Reconcile: w.Reconcile, HoldInit: w.HoldInit, Devices: w.Devices}
	for i, step := range w.Steps {
		t, ok := c.types[step.Key]
		if !ok {
			return nil, fmt.Errorf("event %d: unknown key %q", i+1, step.Key)
		}
		v := reflect.New(t)
		if err := json.Unmarshal(step.Event, v.Interface()); err != nil {
			return nil, fmt.Errorf("event %d: %w", i+1, err)
		}
		e := v.Elem().Interface().(scenarios.Event)
		switch k := e.(type) { // a patch that is not there is null on the wire
		case scenarios.StartKubelet:
			if string(k.Config) == "null" {
				k.Config = nil
			}
			e = k
		case scenarios.RestartKubelet:
			if string(k.Config) == "null" {
				k.Config = nil
			}
			e = k
		}
		s.Steps = append(s.Steps, scenarios.Step{Event: e})
	}
	return s, nil
}
