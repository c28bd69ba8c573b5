package record_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pinlab/pinlab/bench/record"
)

// FuzzParse hands in anything: the answer is a report that can be saved again, or
// an error that names the file.
func FuzzParse(f *testing.F) {
	good, err := record.Marshal(report())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(strings.Replace(string(good), "4.5", "-1", 1)))
	f.Add([]byte(`{"apiVersion": "pinlab/v1alpha1", "kind": "BenchReport", "results": [{}, null, 3]}`))
	f.Add([]byte(`{"results": [`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := record.Parse(data, "fuzz.json")
		if err != nil {
			var file *record.FileError
			if !errors.As(err, &file) || file.File != "fuzz.json" || file.Line < 0 {
				t.Fatalf("error without a file: %v", err)
			}
			return
		}
		again, err := record.Marshal(r)
		if err != nil {
			t.Fatalf("cannot be saved again: %v", err)
		}
		if _, err := record.Parse(again, "again.json"); err != nil {
			t.Fatalf("cannot be read again: %v\n%s", err, again)
		}
	})
}
