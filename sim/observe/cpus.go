package observe

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"k8s.io/utils/cpuset"
)

// CPUs is a set of CPUs (or NUMA nodes) as a kernel list, "2-17,50-65": in
// ascending order with ranges merged, so that equal sets are equal strings.
// The empty string is the empty set.
type CPUs string

// FromSet formats a cpuset as its String method does, without sorting: after
// every step of a replay some hundred CPUs are formatted several times.
func FromSet(s cpuset.CPUSet) CPUs {
	var words [(MaxCPUID + 1) / 64]uint64
	most := -1
	for _, id := range s.UnsortedList() {
		if id < 0 || id > MaxCPUID {
			return CPUs(s.String())
		}
		words[id/64] |= 1 << (id % 64)
		most = max(most, id)
	}
	buf := make([]byte, 0, 64)
	for id := 0; id <= most; id++ {
		rest := words[id/64] >> (id % 64)
		if rest == 0 {
			id |= 63 // nothing more in this word
			continue
		}
		id += bits.TrailingZeros64(rest)
		first := id
		for id < most && words[(id+1)/64]&(1<<((id+1)%64)) != 0 {
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

// ParseSet is cpuset.Parse with a bound: a list such as "0-2000000000" is an
// error, not a machine without memory.
func ParseSet(list string) (cpuset.CPUSet, error) {
	for _, r := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == '-' }) {
		if len(r) > 4 || (len(r) == 4 && r > fmt.Sprint(MaxCPUID)) {
			return cpuset.New(), fmt.Errorf("CPU list %q: %s is not a CPU id between 0 and %d", list, r, MaxCPUID)
		}
	}
	set, err := cpuset.Parse(list)
	if err != nil {
		return cpuset.New(), fmt.Errorf("CPU list %q: %w", list, err)
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
