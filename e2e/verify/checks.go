package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

// The checks beside the invariants.
const (
	KubeletStopped   = "kubelet-running"
	ConfigRefused    = "config-accepted"
	StateRefused     = "state-accepted"
	HostProcesses    = "host-processes"
	KernelThreads    = "kernel-threads"
	ThreadsInCgroup  = invariant.ThreadsInCgroup // judged here, thread by thread
	Sandboxes        = "sandboxes"
	NamelessInSync   = "nameless-in-sync"
	IdleEntries      = "entries-used"
	Siblings         = "siblings"
	Interrupts       = "interrupts"
	IsolatedShared   = "isolated-shared"
	IsolatedBalanced = "isolated-balanced"
	NoHzShared       = "nohz-shared"
	MemoryInSync     = "memory-in-sync"
	MemoryLocal      = "memory-local"
)

// guide says of what an invariant or a check finds how bad it is, why and what
// to do.
type guide struct {
	severity    Severity
	why, remedy string
}

const (
	drain = "drain the node, stop the kubelet, delete its cpu_manager_state, start the kubelet; every pod that comes back is then assigned anew"
	again = "find why the kubelet does not repair it (journalctl -u kubelet | grep ReconcileState); recreating the pod, or restarting the kubelet, makes it write the cgroup again"
)

// guides holds one for each invariant that an audit can check, in the order of
// the report, then the checks of the audit's own.
var guides = []struct {
	check string
	guide
}{
	{ConfigRefused, guide{Critical, "the kubelet does not read this configuration: its next start fails, after a crash or at a reboot too, and the node becomes NotReady", "correct the file, and run the audit again"}},
	{StateRefused, guide{Critical, "the next start of the kubelet fails, after a crash or at a reboot too, and the node becomes NotReady", drain}},
	{invariant.ExclusiveDisjoint, guide{Critical, "two containers were promised the same CPU, and neither has it to itself", drain}},
	{invariant.ExclusiveIsolated, guide{Critical, "the container that pays for CPUs of its own shares them with another, which it feels as latency", again}},
	{NamelessInSync, guide{Critical, "the container runs where the kubelet did not put it: on CPUs of others, or without those it pays for", again}},
	{invariant.CgroupInSync, guide{Critical, "the container runs where the kubelet did not put it: on CPUs of others, or without those it pays for", again}},
	{invariant.ReservedNotExclusive, guide{Warning, "system daemons and the kubelet compete with a container on the CPUs that were kept for them", drain}},
	{invariant.PoolAccounted, guide{Warning, "CPUs are lost to all containers until the state is made anew, or are promised though they cannot be used", drain}},
	{invariant.ExclusiveCount, guide{Warning, "the container pays for whole CPUs and does not have exactly those to itself", "recreate the pod; if it stays so: pinlab explain POD.yaml --config KUBELET.yaml says why"}},
	{invariant.CheckpointInSync, guide{Warning, "the state file is all that the kubelet knows of running containers after a restart", drain}},
	{invariant.NoLeak, guide{Warning, "the CPUs are kept for a pod that is gone, and nobody can be given them", "the kubelet drops such an entry at its next reconcile, once it has heard of all pods; if it stays: " + drain}},
	{invariant.Aligned, guide{Warning, "the configuration promises an alignment that the container does not have: it was placed under another configuration, or before it", "recreate the pod"}},
	{invariant.MemoryAccounted, guide{Warning, "pods are rejected though there is memory, or admitted though there is none", "drain the node, stop the kubelet, delete its memory_manager_state, start the kubelet"}},
	{MemoryInSync, guide{Warning, "the container's memory may come from NUMA nodes that the memory manager did not give it", again}},
	{ThreadsInCgroup, guide{Note, "a thread was pinned from inside the container (taskset, numactl, the application itself); its work does not spread over the CPUs paid for", "expected of applications that pin their own threads; else look for taskset or numactl in the container"}},
	{HostProcesses, guide{Warning, "the kernel may run them on CPUs that a container pays to have alone; the kubelet moves containers only, never the host's processes", "keep them on the reserved CPUs: CPUAffinity= in /etc/systemd/system.conf, or AllowedCPUs= on the slice; or boot with isolcpus="}},
	{Interrupts, guide{Warning, "each interrupt stops the container's thread on that CPU", "move them: write other CPUs to /proc/irq/N/smp_affinity_list, or IRQBALANCE_BANNED_CPULIST= for irqbalance; queues of NVMe and some network cards can only be moved by isolcpus=managed_irq"}},
	{IsolatedShared, guide{Warning, "the kernel does not balance load over isolated CPUs: threads of the shared pool that begin there stay there, many on one CPU, while others idle", "put isolated CPUs into reservedSystemCPUs together with strict-cpu-reservation, or take them out of isolcpus="}},
	{Siblings, guide{Note, "SMT siblings share a core: what runs on the one slows the other down", "cpuManagerPolicyOptions: full-pcpus-only=true gives whole cores only"}},
	{KubeletStopped, guide{Warning, "nobody repairs cgroups or gives CPUs back while no kubelet runs", "start the kubelet; see journalctl -u kubelet for why it does not run"}},
	{IsolatedBalanced, guide{Note, "the kernel does not balance load over isolated CPUs: the threads of the container stay on the CPU they begin on unless the application pins them", "expected of applications that pin their own threads; others are better placed outside of isolcpus="}},
	{NoHzShared, guide{Note, "without a tick the kernel accounts on every switch; that costs where many threads share a CPU", "keep nohz_full= to CPUs that containers have alone"}},
	{MemoryLocal, guide{Note, "reads of memory of another NUMA node take longer", "memoryManagerPolicy Static with topologyManagerPolicy single-numa-node places CPUs and memory together"}},
	{IdleEntries, guide{Note, "the CPUs of an entry are kept while its container does not run: an init container that has ended, or a container that waits to be started again", "none if it is an init container whose CPUs others of its pod use; else see why the container does not run"}},
	{Sandboxes, guide{Note, "the process of a pod's sandbox sleeps all the time; it may run on these CPUs, but does not", "none"}},
	{KernelThreads, guide{Note, "kernel threads that are not bound to a CPU may do work of others on it", "isolcpus= and nohz_full= keep them away; /sys/devices/virtual/workqueue/cpumask moves workqueues"}},
}

// Checks lists the invariants and checks of an audit in the order of its report.
func Checks() []string {
	names := make([]string, len(guides))
	for i := range guides {
		names[i] = guides[i].check
	}
	return names
}

func guideOf(check string) guide {
	for i := range guides {
		if guides[i].check == check {
			return guides[i].guide
		}
	}
	return guide{severity: Warning, why: invariant.Doc(check), remedy: "see docs/invariants.md"}
}

// mostFindings bounds the findings of one check.
const mostFindings = 100

// told counts the findings of a check, and what was left out.
type told struct {
	found int
	worst Severity // of those left out
}

// find adds a finding, unless its check is to be left out. What the finding
// leaves open comes from the check's guide.
func (a *audit) find(check string, f Finding) {
	if slices.Contains(a.opts.Skip, check) {
		return
	}
	g := guideOf(check)
	f.Check = check
	if f.Severity == "" {
		f.Severity = g.severity
	}
	if f.Why == "" {
		f.Why = g.why
	}
	if f.Remedy == "" {
		f.Remedy = g.remedy
	}
	t := a.told[check]
	if t == nil {
		t = &told{}
		a.told[check] = t
	}
	if t.found++; t.found > mostFindings {
		if t.worst == "" || rank(f.Severity) < rank(t.worst) {
			t.worst = f.Severity
		}
		return
	}
	a.report.Findings = append(a.report.Findings, f)
}

// findMore says how many findings were left out.
func (a *audit) findMore() {
	for _, check := range Checks() {
		if t := a.told[check]; t != nil && t.found > mostFindings {
			g := guideOf(check)
			a.report.Findings = append(a.report.Findings, Finding{
				Check: check, Severity: t.worst, What: fmt.Sprintf("and %d more", t.found-mostFindings), Why: g.why, Remedy: g.remedy,
			})
		}
	}
}

// check looks for all there is to find.
func (a *audit) check(ctx context.Context) {
	defer a.findMore()
	a.checkConfig()
	a.checkStarts()
	if a.report.Kubelet.State == "stopped" {
		a.find(KubeletStopped, Finding{What: "no kubelet runs"})
	}
	if a.memory != nil {
		a.checkMems()
	}
	k := &a.report.Kubelet
	if k.CPUState == stateMalformed {
		a.find(invariant.CheckpointInSync, Finding{What: "the state file is malformed", Where: []string{a.statePath(observe.CPUStateFile)}})
	}
	if a.kc.CPUManagerPolicy != "static" {
		return // nobody was promised anything
	}
	if a.state == nil {
		if k.CPUState == stateMissing && k.State == "running" {
			a.find(invariant.CheckpointInSync, Finding{What: "there is no state file; a restart would forget every assignment", Where: []string{a.statePath(observe.CPUStateFile)}})
		}
		return
	}
	for _, look := range []func(){
		a.checkInvariants, a.checkContainers, a.checkEntries, a.checkHost, a.checkInterrupts, a.checkIsolation, a.checkLocality,
	} {
		if ctx.Err() != nil {
			return
		}
		look()
	}
}

// checkConfig tells of a configuration that no kubelet reads.
func (a *audit) checkConfig() {
	if a.malformed != nil {
		a.find(ConfigRefused, Finding{What: "the kubelet will not start: its configuration is malformed: " + oneLine(a.malformed.Error())})
	}
}

// checkStarts tells of the starts that the kubelet's code refused.
func (a *audit) checkStarts() {
	for _, s := range a.report.Starts {
		if s.Result != Refused {
			continue
		}
		f := Finding{What: "the kubelet would not start: " + oneLine(s.Refusal), Where: []string{s.Config, a.statePath(observe.CPUStateFile)}}
		if s.Proposed {
			f.Severity = Warning
			f.What = "the kubelet would not start with the proposed configuration: " + oneLine(s.Refusal)
			f.Why = "a kubelet that is restarted with it fails, and the node becomes NotReady"
			f.Remedy = "to change to it: " + strings.Replace(drain, "start the kubelet", "put the new configuration in place, start the kubelet", 1)
		}
		if a.invalid[s.Config] {
			f.Where, f.Remedy = f.Where[:1], guideOf(ConfigRefused).remedy
			a.find(ConfigRefused, f)
			continue
		}
		a.find(StateRefused, f)
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// ofStateAlone are the invariants that the state file and the machine decide.
// For the others it must be known which pods live and which containers run.
var ofStateAlone = []string{invariant.ReservedNotExclusive, invariant.PoolAccounted, invariant.CheckpointInSync, invariant.MemoryAccounted}

// checkInvariants runs the rules that a simulated node is judged by.
func (a *audit) checkInvariants() {
	if a.profile == nil {
		return // the topology is unread
	}
	o := a.observation()
	refs := map[string]bool{}
	for _, c := range o.Containers {
		refs[c.Ref()] = true
	}
	for _, s := range o.Stale {
		refs[s.Pod+"/"+s.Container] = true
	}
	for _, v := range invariant.Check(o, a.profile) {
		if !a.groupsKnown() && !slices.Contains(ofStateAlone, v.Invariant) {
			continue
		}
		f := Finding{What: v.Detail, Where: mentioned(v.Detail, refs)}
		switch v.Invariant {
		case invariant.ExclusiveDisjoint:
			if strings.Contains(v.Detail, "gone") {
				f.Why = "when the kubelet drops the entry of the container that is gone, it puts these CPUs into the shared pool while the other container runs on them"
			}
		case invariant.PoolAccounted:
			pooled(&f, a)
		case invariant.ExclusiveCount:
			counted(&f, &o)
		case invariant.CgroupInSync, invariant.ExclusiveIsolated, invariant.NoLeak:
			if a.settling {
				f.Severity = Note
				f.Remedy = "the state file has just changed, and the kubelet may repair this at its next reconcile: run the audit again in a few seconds"
			}
		}
		a.find(v.Invariant, f)
	}
}

// pooled tells apart what the invariant pool-accounted is about.
func pooled(f *Finding, a *audit) {
	switch {
	case strings.Contains(f.What, "offline and still assigned"):
		f.Severity = Critical
		f.Why = "the container pays for CPUs that are offline, and runs on fewer; without any it cannot start"
		f.Remedy = "bring the CPUs back (echo 1 > /sys/devices/system/cpu/cpuN/online), or: " + drain
	case strings.Contains(f.What, "offline and still in the shared pool"):
		f.Why = "offline CPUs will be handed out to the next container, which then fails or runs on fewer; and the kubelet refuses to start when the CPUs of its state file are not those of the machine"
		f.Remedy = "bring the CPUs back (echo 1 > /sys/devices/system/cpu/cpuN/online), or: " + drain
	case strings.Contains(f.What, "and in the shared pool"):
		f.Severity = Critical
		f.Why = "every container of the shared pool may run on CPUs that a container pays to have alone"
	case a.kc.Reserved == "" && strings.EqualFold(a.kc.CPUManagerPolicyOptions["strict-cpu-reservation"], "true"):
		f.Severity = Note
		f.Why = "which CPUs are reserved is not known here; with strict-cpu-reservation they belong to nobody by intent"
		f.Remedy = "none if these are the reserved CPUs"
	}
}

// counted tells apart what the invariant exclusive-count is about.
func counted(f *Finding, o *observe.Observation) {
	if strings.Contains(f.What, "asked for") && strings.Contains(f.What, "none of its own") {
		f.What = strings.Replace(f.What, "asked for", "has QoS Guaranteed and a limit of", 1)
		f.Why = "a Guaranteed container with whole CPUs is promised them to itself; this one runs in the shared pool " + string(o.SharedPool)
		f.Remedy = "recreate the pod: pods that ran before the policy was static, or before their state was deleted, stay in the shared pool"
	}
}

// mentioned are the containers that a sentence names.
func mentioned(text string, refs map[string]bool) []string {
	var out []string
	for _, word := range strings.Fields(text) {
		word = strings.Trim(word, ":,;")
		if refs[word] && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}
