// Package host looks at the machine that measures: what it is, and what may have
// disturbed the measuring. It only reads.
package host

import (
	"bufio"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// State is what a machine shows of its load and clock at one time. What cannot
// be read is left at zero.
type State struct {
	// Load is the load average of the last minute.
	Load float64
	// CPUs is how many there are online.
	CPUs int
	// Steal and Total are clock ticks since boot: those a hypervisor gave to
	// others, and all.
	Steal, Total uint64
	// Throttled counts the periods in which the cgroup used up its quota.
	Throttled uint64
	// Governors are the frequency governors in use, sorted.
	Governors []string
	// MHz is the mean frequency of the CPUs by cpufreq, 0 where it is not shown.
	MHz float64
	// Limited says that some CPU may not run as fast as it could.
	Limited bool
}

// Look reads the state; root is the machine's root directory.
func Look(root fs.FS) State {
	var s State
	if f := fields(root, "proc/loadavg"); len(f) > 0 {
		s.Load, _ = strconv.ParseFloat(f[0], 64)
	}
	s.readStat(root)
	s.Throttled = throttled(root)
	s.readFrequencies(root)
	return s
}

func (s *State) readStat(root fs.FS) {
	data, err := fs.ReadFile(root, "proc/stat")
	if err != nil {
		return
	}
	const stealField, guestField = 8, 9 // guest time is in user time already
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || !strings.HasPrefix(f[0], "cpu"):
		case f[0] == "cpu":
			for i, text := range f[1:min(len(f), guestField)] {
				n, _ := strconv.ParseUint(text, 10, 64)
				s.Total += n
				if i+1 == stealField {
					s.Steal = n
				}
			}
		default:
			s.CPUs++
		}
	}
}

// throttled adds up nr_throttled of the process's cgroup and those above it, in
// either version of cgroups.
func throttled(root fs.FS) uint64 {
	data, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	var sum uint64
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		bases := []string{"sys/fs/cgroup"}
		if parts[1] != "" {
			if !slices.Contains(strings.Split(parts[1], ","), "cpu") {
				continue
			}
			bases = []string{"sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"}
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			for _, base := range bases {
				sum += nrThrottled(root, path.Join(base, dir, "cpu.stat"))
			}
			if dir == "/" {
				break
			}
		}
	}
	return sum
}

func nrThrottled(root fs.FS, file string) uint64 {
	f, err := root.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "nr_throttled "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return n
		}
	}
	return 0
}

func (s *State) readFrequencies(root fs.FS) {
	dirs, _ := fs.Glob(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq")
	var sum float64
	var n int
	for _, dir := range dirs {
		if f := fields(root, path.Join(dir, "scaling_governor")); len(f) > 0 && !slices.Contains(s.Governors, f[0]) {
			s.Governors = append(s.Governors, f[0])
		}
		if khz := number(root, path.Join(dir, "scaling_cur_freq")); khz > 0 {
			sum += khz / 1000
			n++
		}
		top, allowed := number(root, path.Join(dir, "cpuinfo_max_freq")), number(root, path.Join(dir, "scaling_max_freq"))
		s.Limited = s.Limited || allowed > 0 && allowed < top
	}
	if n > 0 {
		s.MHz = sum / float64(n)
	}
	slices.Sort(s.Governors)
}

func fields(root fs.FS, file string) []string {
	data, err := fs.ReadFile(root, file)
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}

func number(root fs.FS, file string) float64 {
	f := fields(root, file)
	if len(f) == 0 {
		return 0
	}
	v, _ := strconv.ParseFloat(f[0], 64)
	return v
}

// CPUModel is the processor's name as the kernel has it, empty if unknown.
func CPUModel(root fs.FS) string {
	data, _ := fs.ReadFile(root, "proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// What is too much.
const (
	muchLoad      = 0.5  // of the CPUs, without the measuring's own
	muchSteal     = 0.01 // of the time
	muchStealOnce = 0.10 // of the time between two looks
	muchFrequency = 0.05 // between the lowest and the highest
	// ownLoad is what the measuring adds: one process, and its garbage collector.
	ownLoad = 1.5
	// leastTicks between two looks are enough to speak of a share.
	leastTicks = 20
)

// Doubts says what may have disturbed a measurement, of the states before it, in
// between and after it. What comes and goes is in those in between alone.
func Doubts(states ...State) []string {
	if len(states) == 0 {
		return nil
	}
	var out []string
	before, after := states[0], states[len(states)-1]
	w := worstOf(states)
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if before.CPUs > 0 && before.Load > muchLoad*float64(before.CPUs) {
		add("the machine was busy before the run: load average %.2f on %d CPUs", before.Load, before.CPUs)
	} else if before.CPUs > 0 && w.load > muchLoad*float64(before.CPUs)+ownLoad {
		add("the machine was busy during the run: load average up to %.2f on %d CPUs", w.load, before.CPUs)
	}
	if after.Total > before.Total {
		if share := float64(after.Steal-min(before.Steal, after.Steal)) / float64(after.Total-before.Total); share > muchSteal {
			add("the hypervisor gave %.1f %% of the CPU time to others", 100*share)
		} else if w.steal > muchStealOnce {
			add("the hypervisor gave up to %.0f %% of the CPU time to others during one repetition", 100*w.steal)
		}
	}
	if n := after.Throttled - min(before.Throttled, after.Throttled); n > 0 {
		add("the cgroup's CPU quota was used up in %d periods: the process was throttled", n)
	}
	switch {
	case before.MHz == 0:
		add("the CPU frequency is not shown on this machine: changes of it go unnoticed")
	case w.high-w.low > muchFrequency*w.high:
		add("the CPU frequency was between %.0f and %.0f MHz", w.low, w.high)
	}
	for _, g := range w.governors {
		if g != "performance" {
			add("the CPU frequency governor is %s, not performance", g)
		}
	}
	if w.limited {
		add("the CPU frequency is limited below the hardware's maximum")
	}
	return out
}

// worst is the worst of each thing in a number of states.
type worst struct {
	load, steal float64
	low, high   float64 // MHz
	limited     bool
	governors   []string
}

func worstOf(states []State) worst {
	w := worst{low: states[0].MHz}
	for i, s := range states {
		w.load, w.limited = max(w.load, s.Load), w.limited || s.Limited
		if s.MHz > 0 {
			w.low, w.high = min(w.low, s.MHz), max(w.high, s.MHz)
		}
		w.governors = append(w.governors, s.Governors...)
		if i == 0 {
			continue
		}
		p := states[i-1]
		if s.Total >= p.Total+leastTicks && s.Steal > p.Steal {
			w.steal = max(w.steal, float64(s.Steal-p.Steal)/float64(s.Total-p.Total))
		}
	}
	slices.Sort(w.governors)
	w.governors = slices.Compact(w.governors)
	return w
}
