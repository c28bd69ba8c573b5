package hwprofiles

import (
	"slices"
	"strconv"
	"strings"
)

// Nearest returns the valid name closest to what was written, or "" when none
// is close, and whether it is alone in being so close.
func Nearest(name string, valid []string) (best string, alone bool) {
	const longest = 64 // nobody misspells more than that by a few letters
	const most = 1000  // and nobody is helped by one of thousands
	if name == "" || len(name) > longest || len(valid) > most {
		return "", false
	}
	lower, reach := strings.ToLower(name), max(1, len(name)/3)
	least := longest
	for _, v := range slices.Sorted(slices.Values(valid)) {
		if len(v) > longest {
			continue
		}
		d, limit := editDistance(lower, strings.ToLower(v)), reach
		if len(name) >= 3 && strings.Contains(strings.ToLower(v), lower) {
			d, limit = min(d, 2), max(reach, 2) // left out a part
		}
		switch {
		case d > limit:
		case d < least:
			best, least, alone = v, d, true
		case d == least:
			alone = false
		}
	}
	return best, alone
}

// nearest is Nearest for who only wants the name.
func nearest(name string, valid []string) string {
	best, _ := Nearest(name, valid)
	return best
}

// quoteNear quotes a wrong name and says which right one is near, or lists the
// right ones when there are few.
func quoteNear(name string, valid []string) string {
	quoted := strconv.Quote(clip(name))
	if near := nearest(name, valid); near != "" {
		return quoted + "; did you mean " + strconv.Quote(near) + "?"
	}
	if len(valid) <= 20 {
		return quoted + "; want one of " + strings.Join(slices.Sorted(slices.Values(valid)), ", ")
	}
	return quoted
}

// editDistance counts the letters to add, drop, change or swap with their
// neighbour (optimal string alignment).
func editDistance(a, b string) int {
	before := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			change := row[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			next[j] = min(change, row[j]+1, next[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
