package observe

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"
	"pgregory.net/rapid"
)

func TestParseCPUs(t *testing.T) {
	for list, want := range map[string]CPUs{
		"": "", "0": "0", "0-3,8": "0-3,8", " 1, 2\n": "1-2", "3,1,2": "1-3", "0-1,2-3": "0-3", "5,5": "5",
		"0,2,4": "0,2,4", "0-0": "0", "007": "7", "8191": "8191",
	} {
		g := NewWithT(t)
		got, err := ParseCPUs(list)
		g.Expect(err).NotTo(HaveOccurred(), list)
		g.Expect(got).To(Equal(want), list)
	}
	for _, list := range []string{"a", "1-", "-1", "3-1", "1,,2", "8192", "0-2000000000", "1-2-3", ",", "1,"} {
		_, err := ParseCPUs(list)
		NewWithT(t).Expect(err).To(HaveOccurred(), list)
	}
}

// TestNamed counts what cpuset.Parse would go through.
func TestNamed(t *testing.T) {
	for list, want := range map[string]int{
		"": 0, "5": 1, "0-3,8": 5, "0-3,0-3": 8, "0-8191": 8192, "3-1": 0, "1-,x,2": 1, "1-2-3": 0,
	} {
		g := NewWithT(t)
		got, err := Named(list)
		g.Expect(err).NotTo(HaveOccurred(), list)
		g.Expect(got).To(Equal(want), list)
	}
	for _, list := range []string{"8192", "0-2000000000", "1-+99999", "0-8191,0", strings.Repeat("0-4095,", 1e6)} {
		_, err := Named(list)
		NewWithT(t).Expect(err).To(MatchError(MatchRegexp("^CPU list .{1,110} (is not a CPU id between 0 and 8191|names more than 8192 CPUs)$")))
		_, err = ParseSet(list)
		NewWithT(t).Expect(err).To(HaveOccurred())
	}
}

// TestCanonicalIsCpusets holds the short cut against the library: it may only
// say yes where parsing and formatting again changes nothing.
func TestCanonicalIsCpusets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOf(rapid.IntRange(0, 40)).Draw(t, "ids")
		list := cpuset.New(ids...).String()
		if !canonical(list) {
			t.Fatalf("%q is what cpuset writes", list)
		}
		free := rapid.StringMatching(`[0-9]{1,2}([,-][0-9]{0,2}){0,5}`).Draw(t, "free")
		if !canonical(free) {
			return
		}
		set, err := cpuset.Parse(free)
		if err != nil || set.String() != free {
			t.Fatalf("%q is not canonical: %q, %v", free, set.String(), err)
		}
	})
}

func TestFromSetIsString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := cpuset.New(rapid.SliceOf(rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(0, MaxCPUID), rapid.IntRange(-2, MaxCPUID+2))).Draw(t, "ids")...)
		if got, want := string(FromSet(set)), set.String(); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

func BenchmarkFromSet(b *testing.B) {
	ids := make([]int, 0, 96)
	for id := range 96 {
		if id != 18 && id != 66 {
			ids = append(ids, id)
		}
	}
	set := cpuset.New(ids...)
	b.Run("FromSet", func(b *testing.B) {
		for b.Loop() {
			_ = FromSet(set)
		}
	})
	b.Run("String", func(b *testing.B) {
		for b.Loop() {
			_ = set.String()
		}
	})
}

func FuzzParseCPUs(f *testing.F) {
	for _, seed := range []string{"", "0-3,8", "0-95", "1,,2", "0-2000000000", " 1, 2\n", "3-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		c, err := ParseCPUs(list)
		if err != nil {
			return
		}
		again, err := ParseCPUs(string(c))
		if err != nil || again != c || FromSet(c.Set()) != c {
			t.Fatalf("%q gives %q, which does not come back: %q, %v", list, c, again, err)
		}
	})
}
