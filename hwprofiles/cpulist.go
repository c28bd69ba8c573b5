package hwprofiles

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"k8s.io/utils/cpuset"
)

// maxID is the largest CPU, core or node number that is believed. Kernels are
// built for at most 8,192 CPUs; hardware ids (core_id, cluster_id) go higher
// and are not limited by it.
const maxID = 1<<16 - 1

// ParseCPUList reads a CPU list as the kernel writes it: "0-3,8", an empty
// line, a trailing newline. The strided form "0-31:1/4" (of every 4 CPUs the
// first) is understood, too.
func ParseCPUList(list string) (cpuset.CPUSet, error) {
	ids, err := parseSequence(list)
	if err != nil {
		return cpuset.New(), err
	}
	for _, id := range ids {
		if id > maxID {
			return cpuset.New(), fmt.Errorf("%d is no CPU number; the largest is %d", id, maxID)
		}
	}
	return cpuset.New(ids...), nil
}

// parseSequence reads the numbers of a list in the order they are written,
// repeats included.
func parseSequence(list string) ([]int, error) {
	list = strings.TrimSpace(list)
	if list == "" || list == "(null)" {
		return nil, nil
	}
	var ids []int
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		span, stride, strided := strings.Cut(item, ":")
		used, group := 1, 1
		if strided {
			a, b, ok := strings.Cut(stride, "/")
			var err1, err2 error
			used, err1 = parseNumber(a)
			group, err2 = parseNumber(b)
			if !ok || err1 != nil || err2 != nil || used < 1 || group < used {
				return nil, fmt.Errorf("bad stride in %q; want first-last:used/group, like 0-31:1/4", clip(item))
			}
		}
		from, to, isRange := strings.Cut(span, "-")
		first, err := parseNumber(from)
		if err != nil {
			return nil, fmt.Errorf("bad list item %q; want a number or a range like 0-3", clip(item))
		}
		last := first
		if isRange {
			if last, err = parseNumber(to); err != nil {
				return nil, fmt.Errorf("bad list item %q; want a number or a range like 0-3", clip(item))
			}
		} else if strided {
			return nil, fmt.Errorf("bad list item %q: a stride needs a range, like 0-31:1/4", clip(item))
		}
		if last < first {
			return nil, fmt.Errorf("range %q runs backwards; want %d-%d", clip(item), last, first)
		}
		if last-first > maxID || len(ids) > maxID {
			return nil, fmt.Errorf("list with %q is too long; at most %d numbers", clip(item), maxID+1)
		}
		for id := first; id <= last; id++ {
			if (id-first)%group < used {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

// parseNumber reads a plain decimal number: no sign, no spaces.
func parseNumber(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
}

// ParseCPUMask reads a CPU mask as the kernel writes it: hex words of 32 bits,
// the highest first, parted by commas.
func ParseCPUMask(mask string) (cpuset.CPUSet, error) {
	mask = strings.TrimSpace(mask)
	if mask == "" {
		return cpuset.New(), nil
	}
	words := strings.Split(strings.TrimPrefix(mask, "0x"), ",")
	if len(words) > (maxID+1)/32 {
		return cpuset.New(), fmt.Errorf("mask of %d words is too long; at most %d CPUs", len(words), maxID+1)
	}
	var ids []int
	slices.Reverse(words)
	for i, word := range words {
		// A mask without commas may be longer than 32 bits: take it apart.
		if len(words) == 1 && len(word) > 8 {
			return parseLongMask(word)
		}
		w, err := strconv.ParseUint(word, 16, 32)
		if err != nil {
			return cpuset.New(), fmt.Errorf("bad mask word %q; want up to 8 hex digits", clip(word))
		}
		for ; w != 0; w &= w - 1 {
			ids = append(ids, 32*i+bits.TrailingZeros64(w))
		}
	}
	return cpuset.New(ids...), nil
}

func parseLongMask(mask string) (cpuset.CPUSet, error) {
	if len(mask) > (maxID+1)/4 {
		return cpuset.New(), fmt.Errorf("mask of %d digits is too long; at most %d CPUs", len(mask), maxID+1)
	}
	var words []string
	for len(mask) > 8 {
		words = append(words, mask[len(mask)-8:])
		mask = mask[:len(mask)-8]
	}
	words = append(words, mask)
	slices.Reverse(words)
	return ParseCPUMask(strings.Join(words, ","))
}

// formatMask writes a set as the kernel writes a mask for n possible CPUs.
func formatMask(set cpuset.CPUSet, n int) string {
	words := make([]uint32, max(1, (n+31)/32))
	for _, id := range set.UnsortedList() {
		for id/32 >= len(words) {
			words = append(words, 0)
		}
		words[id/32] |= 1 << (id % 32)
	}
	var b strings.Builder
	for i := len(words) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "%08x", words[i])
		if i > 0 {
			b.WriteByte(',')
		}
	}
	return b.String()
}

// formatSequence writes numbers so that parseSequence reads the same ones back:
// runs of consecutive numbers become ranges.
func formatSequence(ids []int) string {
	var b strings.Builder
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(ids[i]))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(ids[j]))
		}
		i = j + 1
	}
	return b.String()
}

// clip shortens text of others for an error message.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "?") + "…"
	}
	return s
}
