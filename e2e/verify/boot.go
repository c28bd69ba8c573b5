package verify

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/sim/observe"
)

// bootCPUs is what the kernel's command line says of CPUs.
type bootCPUs struct {
	// isolated are out of load balancing: isolcpus= with the flag domain, which
	// is the default.
	isolated cpuset.CPUSet
	nohzFull cpuset.CPUSet
}

// parseBoot reads isolcpus= and nohz_full= from the kernel's command line. Of a
// parameter that is given twice the kernel takes the last. last is the highest
// id that the kernel made room for, which lists may call N; below 0 it is not
// known.
func parseBoot(cmdline string, last int) (bootCPUs, error) {
	b := bootCPUs{cpuset.New(), cpuset.New()}
	for _, word := range strings.Fields(cmdline) {
		word = strings.Trim(word, `"`)
		if word == "--" {
			break // the rest is for init
		}
		name, value, _ := strings.Cut(word, "=")
		var err error
		switch strings.ReplaceAll(name, "-", "_") {
		case "isolcpus":
			b.isolated, err = parseIsolated(value, last)
		case "nohz_full":
			b.nohzFull, err = parseBootList(value, last)
		}
		if err != nil {
			return b, fmt.Errorf("%s: %w", word, err)
		}
	}
	return b, nil
}

// parseIsolated reads the value of isolcpus=, flags and then a list. Without a
// flag, and with the flag domain, the CPUs leave load balancing.
func parseIsolated(value string, last int) (cpuset.CPUSet, error) {
	domain, flagged := false, false
	for {
		flag, rest, more := strings.Cut(value, ",")
		if flag == "" || strings.IndexByte("0123456789N", flag[0]) >= 0 || flag == "all" {
			break
		}
		switch flag {
		case "domain":
			domain = true
		case "nohz", "managed_irq":
		default:
			return cpuset.New(), fmt.Errorf("unknown flag %q", flag)
		}
		flagged = true
		if value = rest; !more {
			return cpuset.New(), fmt.Errorf("no CPU list")
		}
	}
	set, err := parseBootList(value, last)
	if flagged && !domain {
		return cpuset.New(), err
	}
	return set, err
}

// parseBootList reads a list as the kernel does at its start: "0-3,8",
// "all", "N" for the last CPU, and "0-31:2/4" for the first 2 of every 4.
func parseBootList(list string, last int) (cpuset.CPUSet, error) {
	ids := []int{}
	bad := func(part string) (cpuset.CPUSet, error) {
		return cpuset.New(), fmt.Errorf("CPU list %q: %q is no range of CPUs", short(list), short(part))
	}
	number := func(text string) (int, bool) {
		if text == "N" {
			return last, last >= 0
		}
		n, err := strconv.Atoi(text)
		return n, err == nil && n >= 0 && n <= observe.MaxCPUID && text[0] != '+'
	}
	for part := range strings.SplitSeq(list, ",") {
		if part == "" {
			continue
		}
		bounds, groups, grouped := strings.Cut(part, ":")
		if bounds == "all" {
			bounds = "0-N"
		}
		low, high, isRange := strings.Cut(bounds, "-")
		first, ok := number(low)
		end := first
		if isRange && ok {
			end, ok = number(high)
		}
		used, size := 1, 1
		if grouped && ok {
			var u, s string
			if u, s, ok = strings.Cut(groups, "/"); ok {
				var okU, okS bool
				used, okU = number(u)
				size, okS = number(s)
				ok = okU && okS && size > 0 && used <= size
			}
		}
		if !ok || end < first {
			return bad(part)
		}
		for id := first; id <= end; id++ {
			if (id-first)%size < used {
				ids = append(ids, id)
			}
		}
		if len(ids) > 16*(observe.MaxCPUID+1) {
			return cpuset.New(), fmt.Errorf("CPU list %q names too many CPUs", short(list))
		}
	}
	return cpuset.New(ids...), nil
}

func short(text string) string {
	if len(text) > 100 {
		return text[:100] + "..."
	}
	return text
}

// readBoot reads what the kernel keeps out of load balancing and ticks: its own
// lists where it has them, else its command line.
func (a *audit) readBoot() bootCPUs {
	b := bootCPUs{cpuset.New(), cpuset.New()}
	last := -1
	if data, err := a.root.Read("sys/devices/system/cpu/possible"); err == nil {
		if set, err := observe.ParseSet(strings.TrimSpace(string(data))); err == nil && !set.IsEmpty() {
			ids := set.List()
			last = ids[len(ids)-1]
		}
	}
	data, cmdErr := a.root.Read("proc/cmdline")
	if cmdErr == nil {
		b, cmdErr = parseBoot(string(data), last)
	}
	needed := false
	for name, set := range map[string]*cpuset.CPUSet{"isolated": &b.isolated, "nohz_full": &b.nohzFull} {
		data, err := a.root.Read("sys/devices/system/cpu/" + name)
		text := strings.TrimSpace(string(data))
		if text == "(null)" { // of kernels without any
			text = ""
		}
		if err == nil {
			var cpus cpuset.CPUSet
			if cpus, err = observe.ParseSet(text); err == nil {
				*set = cpus
			}
		}
		needed = needed || err != nil
	}
	if cmdErr != nil && needed {
		a.unread("the kernel's command line", cmdErr)
	}
	return b
}
