package hwprofiles

import (
	"slices"
	"strconv"
	"strings"
)

// nearest returns the valid name closest to what was written, or "" when none
// is close.
func nearest(name string, valid []string) string {
	sorted := slices.Sorted(slices.Values(valid))
	best, least := "", max(2, len(name)/3)+1
	for _, v := range sorted {
		d := editDistance(strings.ToLower(name), strings.ToLower(v))
		// A prefix or suffix that was left out is a small mistake.
		if len(name) >= 3 && strings.Contains(strings.ToLower(v), strings.ToLower(name)) {
			d = min(d, 2)
		}
		if d < least {
			best, least = v, d
		}
	}
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

// editDistance counts the letters to add, drop or change (Levenshtein).
func editDistance(a, b string) int {
	if len(a) > 200 || len(b) > 200 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
