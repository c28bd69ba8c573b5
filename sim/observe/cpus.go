package observe

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/utils/cpuset"
)

// CPUs is a set of CPUs (or NUMA nodes) as a kernel list, "2-17,50-65": in
// ascending order with ranges merged, so that equal sets are equal strings.
// The empty string is the empty set.
type CPUs string

// FromSet formats a cpuset as its String method does. It looks the CPUs up in
// their order, which is cheaper than to sort them: after every step of a replay
// some hundred CPUs are formatted several times.
func FromSet(s cpuset.CPUSet) CPUs {
	buf := make([]byte, 0, 64)
	left := s.Size()
	for id := 0; left > 0; id++ {
		if id > MaxCPUID {
			return CPUs(s.String()) // has ids out of bounds
		}
		if !s.Contains(id) {
			continue
		}
		first := id
		for left--; left > 0 && s.Contains(id+1); left-- {
			id++
		}
		if len(buf) > 0 {
			buf = append(buf, ',')
		}
		buf = strconv.AppendInt(buf, int64(first), 10)
		if id > first {
			buf = append(buf, '-')
			buf = strconv.AppendInt(buf, int64(id), 10)
		}
	}
	return CPUs(buf)
}

// ParseCPUs reads a kernel list and puts it into canonical form. It accepts
// what the kernel and the kubelet accept: "", "0-3,8", " 1, 2".
func ParseCPUs(list string) (CPUs, error) {
	if canonical(list) {
		return CPUs(list), nil
	}
	var b strings.Builder
	for _, r := range list {
		if r != ' ' && r != '\n' && r != '\t' {
			b.WriteRune(r)
		}
	}
	set, err := ParseSet(b.String())
	if err != nil {
		return "", err
	}
	return FromSet(set), nil
}

// canonical says that a list is in ascending order with ranges merged, as the
// kernel and the kubelet write it, and within bounds.
func canonical(list string) bool {
	last := -2 // the highest id so far
	for rest := list; rest != ""; {
		part, tail, more := strings.Cut(rest, ",")
		if more && tail == "" {
			return false
		}
		low, high, isRange := strings.Cut(part, "-")
		first, ok := cpuID(low)
		if !ok || first <= last+1 {
			return false
		}
		last = first
		if isRange {
			if last, ok = cpuID(high); !ok || last <= first {
				return false
			}
		}
		rest = tail
	}
	return true
}

// cpuID reads a number without sign, leading zeros or more than MaxCPUID.
func cpuID(text string) (int, bool) {
	if text == "" || len(text) > 4 || (text[0] == '0' && len(text) > 1) {
		return 0, false
	}
	n := 0
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		n = n*10 + int(digit-'0')
	}
	return n, n <= MaxCPUID
}

// MaxCPUID bounds the CPU ids that a list may name; Linux supports 8192 CPUs.
const MaxCPUID = 8191

// Named counts the CPUs that a list names, repetitions included, without making
// a set of them. A list that goes beyond the bounds is an error; one that is
// malformed in another way is counted as far as it can be read.
func Named(list string) (int, error) {
	for r := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == '-' }) {
		if len(r) > 4 || (len(r) == 4 && r > fmt.Sprint(MaxCPUID)) {
			return 0, fmt.Errorf("CPU list %s: %s is not a CPU id between 0 and %d", quoted(list), shortened(r), MaxCPUID)
		}
	}
	named := 0
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(low)
		last := first
		if isRange && err == nil {
			last, err = strconv.Atoi(high)
		}
		if err == nil && first <= last {
			named += last - first + 1
		}
		if named > MaxCPUID+1 {
			return 0, fmt.Errorf("CPU list %s names more than %d CPUs", quoted(list), MaxCPUID+1)
		}
	}
	return named, nil
}

// quoted is a list for a message: one that is too long for a person is cut.
func quoted(list string) string { return strconv.Quote(shortened(list)) }

func shortened(text string) string {
	if len(text) > 100 {
		return text[:100] + "..."
	}
	return text
}

// ParseSet is cpuset.Parse with bounds: a list such as "0-2000000000" is an
// error, not a machine without memory.
func ParseSet(list string) (cpuset.CPUSet, error) {
	if _, err := Named(list); err != nil {
		return cpuset.New(), err
	}
	set, err := cpuset.Parse(list)
	if err != nil {
		return cpuset.New(), fmt.Errorf("CPU list %s: %w", quoted(list), err)
	}
	return set, nil
}

// Set returns the set of a canonical list; a malformed one is the empty set.
func (c CPUs) Set() cpuset.CPUSet {
	set, err := ParseSet(string(c))
	if err != nil {
		return cpuset.New()
	}
	return set
}
