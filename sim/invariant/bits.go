package invariant

import (
	"math/bits"
	"strconv"
	"strings"

	"github.com/pinlab/pinlab/sim/observe"
)

// set is a set of CPU ids, one bit each. Sets of different length compare as
// if the shorter one were filled up with zeros. The sets of a Checker's cache
// are shared and never written to.
type set []uint64

// parseSet reads a kernel list. A malformed one is the empty set, as it is
// for observe.CPUs.Set.
func parseSet(list observe.CPUs) set {
	var s set
	for rest := string(list); rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, ",")
		lowText, highText, isRange := strings.Cut(part, "-")
		low, err := strconv.Atoi(lowText)
		if err != nil {
			return nil
		}
		high := low
		if isRange {
			if high, err = strconv.Atoi(highText); err != nil {
				return nil
			}
		}
		if low < 0 || high < low || high > observe.MaxCPUID {
			return nil
		}
		s = s.grown(high/64 + 1)
		for id := low; id <= high; id++ {
			s[id/64] |= 1 << (id % 64)
		}
	}
	return s
}

// grown returns s with at least so many words.
func (s set) grown(words int) set {
	if words <= len(s) {
		return s
	}
	return append(s, make(set, words-len(s))...)
}

func (s set) has(id int) bool {
	return id >= 0 && id/64 < len(s) && s[id/64]&(1<<(id%64)) != 0
}

func (s set) add(id int) set {
	s = s.grown(id/64 + 1)
	s[id/64] |= 1 << (id % 64)
	return s
}

func (s set) size() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

func (s set) empty() bool {
	for _, word := range s {
		if word != 0 {
			return false
		}
	}
	return true
}

func (s set) intersects(other set) bool {
	n := min(len(s), len(other))
	for i := range n {
		if s[i]&other[i] != 0 {
			return true
		}
	}
	return false
}

// within says whether every member of s is in other.
func (s set) within(other set) bool {
	for i, word := range s {
		if i < len(other) {
			word &^= other[i]
		}
		if word != 0 {
			return false
		}
	}
	return true
}

// merge adds other to s in place.
func (s set) merge(other set) set {
	s = s.grown(len(other))
	for i, word := range other {
		s[i] |= word
	}
	return s
}

// subtract takes other out of s in place.
func (s set) subtract(other set) {
	n := min(len(s), len(other))
	for i := range n {
		s[i] &^= other[i]
	}
}

// and returns a new set.
func (s set) and(other set) set {
	both := make(set, min(len(s), len(other)))
	for i := range both {
		both[i] = s[i] & other[i]
	}
	return both
}

// minus returns a new set.
func (s set) minus(other set) set {
	rest := append(set(nil), s...)
	rest.subtract(other)
	return rest
}

// ids calls yield for every member in ascending order, so that a set can be
// ranged over.
func (s set) ids(yield func(int) bool) {
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			if !yield(i*64 + bits.TrailingZeros64(word)) {
				return
			}
		}
	}
}

// String formats the set as a kernel list.
func (s set) String() string {
	var b strings.Builder
	first, last := -1, -1
	flush := func() {
		if first < 0 {
			return
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(first))
		if last > first {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(last))
		}
	}
	for id := range s.ids {
		if id != last+1 || first < 0 {
			flush()
			first = id
		}
		last = id
	}
	flush()
	return b.String()
}

// cpus says the set in a sentence: "CPU 4", "CPUs 4-5".
func (s set) cpus() string {
	if s.size() == 1 {
		return "CPU " + s.String()
	}
	return "CPUs " + s.String()
}
