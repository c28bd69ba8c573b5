package scenarios

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// The events in one line each, as a person would say them. Traces and reports
// show these texts.

// String says the event.
func (e StartKubelet) String() string {
	return "start kubelet" + configured(string(e.Config), e.SourcesNotReady)
}

// String says the event.
func (e RestartKubelet) String() string {
	return "restart kubelet" + configured(string(e.Config), e.SourcesNotReady)
}

func configured(config string, notReady bool) string {
	text := ""
	if config != "" {
		text = " with " + clip(config)
	}
	if notReady {
		text += ", sources not ready"
	}
	return text
}

// String says the event.
func (StopKubelet) String() string { return "stop kubelet" }

// String says the event.
func (KillKubelet) String() string { return "kill kubelet" }

// String says the event.
func (SourcesReady) String() string { return "sources ready" }

// String says the event and what the pod asks for.
func (e CreatePod) String() string {
	if e.Pod == nil {
		return "create pod"
	}
	var parts []string
	if ns := e.Pod.Namespace; ns != "" && ns != corev1.NamespaceDefault {
		parts = append(parts, "namespace "+ns)
	}
	if e.Pod.Spec.Resources != nil {
		parts = append(parts, "pod: "+asked(e.Pod.Spec.Resources))
	}
	for i := range e.Pod.Spec.InitContainers {
		c := &e.Pod.Spec.InitContainers[i]
		kind := "init "
		switch {
		case isSidecar(c):
			kind = "sidecar "
		case slices.Contains(e.HoldInit, c.Name):
			kind = "held init "
		}
		parts = append(parts, kind+c.Name+": "+asked(&c.Resources))
	}
	for i := range e.Pod.Spec.Containers {
		c := &e.Pod.Spec.Containers[i]
		parts = append(parts, c.Name+": "+asked(&c.Resources))
	}
	return fmt.Sprintf("create pod %s (%s)", e.Pod.Name, strings.Join(parts, "; "))
}

// asked says what a container requests, and its limit where that differs:
// "2 CPUs, 1Gi", "500m..2 CPUs".
func asked(r *corev1.ResourceRequirements) string {
	names := map[corev1.ResourceName]bool{}
	for name := range r.Requests {
		names[name] = true
	}
	for name := range r.Limits {
		names[name] = true
	}
	var parts []string
	add := func(name corev1.ResourceName, unit string) {
		delete(names, name)
		request, requested := r.Requests[name]
		limit, limited := r.Limits[name]
		if !requested {
			request = limit // as the API server defaults it
		}
		text := request.String()
		switch {
		case !limited:
			text += ".."
		case request.Cmp(limit) != 0:
			text += ".." + limit.String()
		}
		if unit == " CPU" && !strings.HasSuffix(text, "m") && !strings.HasSuffix(text, "1") {
			unit = " CPUs"
		}
		parts = append(parts, text+unit)
	}
	if names[corev1.ResourceCPU] {
		add(corev1.ResourceCPU, " CPU")
	}
	if names[corev1.ResourceMemory] {
		add(corev1.ResourceMemory, "")
	}
	others := make([]string, 0, len(names))
	for name := range names {
		others = append(others, string(name))
	}
	slices.Sort(others)
	for _, name := range others {
		add(corev1.ResourceName(name), " "+name)
	}
	if len(parts) == 0 {
		return "no resources"
	}
	return strings.Join(parts, ", ")
}

// String says the event.
func (e DeletePod) String() string { return "delete pod " + e.Pod }

// String says the event.
func (e AddEphemeralContainer) String() string {
	return fmt.Sprintf("add ephemeral container %s/%s", e.Pod, e.Name)
}

// String says the event.
func (e ExitContainer) String() string {
	return fmt.Sprintf("exit container %s (code %d)", e.Container, e.ExitCode)
}

// String says the event.
func (e DeleteStateFile) String() string { return "delete " + string(e.File) }

// String says the event and what is in the file then.
func (e WriteStateFile) String() string {
	return fmt.Sprintf("write %s (%s)", e.File, e.what())
}

// String says the event and what is changed.
func (e EditStateFile) String() string {
	var parts []string
	if e.Truncate != nil {
		parts = append(parts, fmt.Sprintf("truncate to %d bytes", *e.Truncate))
	}
	if e.Append != "" {
		parts = append(parts, "append "+quote(e.Append))
	}
	fields := make([]string, 0, len(e.Set))
	for field := range e.Set {
		fields = append(fields, field)
	}
	slices.Sort(fields)
	for _, field := range fields {
		parts = append(parts, fmt.Sprintf("set %s to %s", field, clip(string(e.Set[field]))))
	}
	if e.FixChecksum {
		parts = append(parts, "fix checksum")
	}
	return fmt.Sprintf("edit %s (%s)", e.File, strings.Join(parts, ", "))
}

// String says the event.
func (Reboot) String() string { return "reboot" }

// String says the event.
func (e OfflineCPUs) String() string { return "offline " + cpuWord(string(e.CPUs)) }

// String says the event.
func (e OnlineCPUs) String() string { return "online " + cpuWord(string(e.CPUs)) }

// String says the event.
func (e AddCPUs) String() string {
	return fmt.Sprintf("add %s like CPU %d", cpuWord(string(e.CPUs)), e.Like)
}

// cpuWord is "CPU 3" or "CPUs 3-4".
func cpuWord(list string) string {
	if strings.ContainsAny(list, ",-") {
		return "CPUs " + list
	}
	return "CPU " + list
}

// String says the event.
func (e SwapProfile) String() string { return "swap profile to " + e.Profile }

// String says the event.
func (e SetHugePages) String() string {
	return fmt.Sprintf("set %d huge pages of %s on NUMA node %d", e.Count, e.Size.String(), e.NUMANode)
}

// String says the event.
func (DevicesReady) String() string { return "devices ready" }

// String says the event.
func (e ResizePod) String() string {
	var parts []string
	if e.CPU != nil {
		parts = append(parts, e.CPU.String()+" CPUs")
	}
	if e.Memory != nil {
		parts = append(parts, e.Memory.String())
	}
	return fmt.Sprintf("resize %s to %s", e.Container, strings.Join(parts, ", "))
}

// String says the event.
func (e FailCheckpointRead) String() string {
	return fmt.Sprintf("fail reads of %s with EACCES", e.File)
}

// String says the event.
func (e MoveMemory) String() string {
	return fmt.Sprintf("move %d bytes of memory from NUMA node %d to %d", e.Bytes, e.From, e.To)
}

// String says the event.
func (e Reconcile) String() string {
	if e.Times <= 1 {
		return "reconcile"
	}
	return fmt.Sprintf("reconcile %d times", e.Times)
}

// String says the event.
func (e Advance) String() string { return "advance " + e.Duration.String() }

// String says the event.
func (e FailRuntimeUpdate) String() string {
	of := "every container"
	if e.Container != "" {
		of = e.Container
	}
	return fmt.Sprintf("fail runtime updates of %s%s: %s", of, bounded(e.Times), clip(oneLine(e.Error)))
}

// bounded says how often a fault strikes.
func bounded(times int) string {
	switch times {
	case 0:
		return ""
	case 1:
		return " once"
	}
	return fmt.Sprintf(" %d times", times)
}

// String says the event.
func (e FailCheckpointWrite) String() string {
	return fmt.Sprintf("fail writes of %s with %s%s", e.File, e.Errno, bounded(e.Times))
}

// String says the event.
func (e KillAtCheckpointWrite) String() string {
	return fmt.Sprintf("kill kubelet %s write %d of %s", e.When, e.Nth, e.File)
}

// String says the event.
func (e LimitOpenFiles) String() string {
	return fmt.Sprintf("limit open files to %d more", e.Free)
}

// String says the event.
func (e Exhaust) String() string {
	return fmt.Sprintf("use up %s but %d", e.Sysctl, e.Free)
}

// String says the event.
func (ClearFaults) String() string { return "clear faults" }

// String says the event.
func (e ClobberCPUSet) String() string {
	return fmt.Sprintf("clobber cpuset of %s to %s", e.Container, e.CPUs)
}
