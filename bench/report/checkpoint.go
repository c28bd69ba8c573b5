package report

import (
	"fmt"
	"io"

	"github.com/pinlab/pinlab/bench/record"
)

// DiskCost is what a disk adds to an operation that writes or reads the state
// files: the same configuration was measured in memory and on disk.
type DiskCost struct {
	// Index is the place of the result on disk.
	Index     int
	Operation record.Operation
	// Memory and Disk are medians in nanoseconds.
	Memory, Disk float64
}

// Cells are the medians, their difference and its share of the time on disk.
func (d DiskCost) Cells() []string {
	return []string{string(d.Operation), Time(d.Memory), Time(d.Disk), Time(d.Disk - d.Memory), share(d.Disk-d.Memory, d.Disk)}
}

func share(part, whole float64) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*part/whole)
}

// DiskCosts are those of admissions, their checkpoint, removals and restarts.
func DiskCosts(results []record.Result) []DiskCost {
	inMemory := map[string]*record.Result{}
	for i := range results {
		if results[i].Config.Storage == record.Memory {
			inMemory[results[i].Config.Name()] = &results[i]
		}
	}
	var out []DiskCost
	for i := range results {
		c := results[i].Config
		if c.Storage != record.Disk {
			continue
		}
		c.Storage = record.Memory
		other := inMemory[c.Name()]
		if other == nil || (other.Rejected == "") != (results[i].Rejected == "") {
			continue
		}
		for _, op := range []record.Operation{record.Admit, record.Checkpoint, record.Remove, record.Restart} {
			a, b := other.Of(op), results[i].Of(op)
			if a != nil && b != nil && a.Summary != nil && b.Summary != nil {
				out = append(out, DiskCost{i, op, a.Summary.P50, b.Summary.P50})
			}
		}
	}
	return out
}

// CheckpointShare is the checkpoint's share of an admission by their medians, empty
// where one of them was not measured.
func CheckpointShare(r *record.Result) string {
	whole, part := r.Of(record.Admit), r.Of(record.Checkpoint)
	if whole == nil || part == nil || whole.Summary == nil || part.Summary == nil {
		return ""
	}
	return share(part.Summary.P50, whole.Summary.P50)
}

// shareTable shows the checkpoint's share of the admission.
func shareTable(w io.Writer, results []record.Result, differ []column) {
	lines := [][]string{titles(differ, "ADMIT", "CHECKPOINT", "SHARE")}
	for i := range results {
		if text := CheckpointShare(&results[i]); text != "" {
			admit, checkpoint := results[i].Of(record.Admit).Summary.P50, results[i].Of(record.Checkpoint).Summary.P50
			lines = append(lines, append(cells(differ, &results[i]), Time(admit), Time(checkpoint), text))
		}
	}
	if len(lines) > 1 {
		fmt.Fprintf(w, "\nCHECKPOINT'S SHARE OF ADMIT: medians\n")
		rows(w, len(differ), lines)
	}
}

// diskTable shows what the disk adds.
func diskTable(w io.Writer, results []record.Result, differ []column) {
	costs := DiskCosts(results)
	if len(costs) == 0 {
		return
	}
	var but []column // the storage is in the columns that follow
	for _, c := range differ {
		if c.title != "STORAGE" {
			but = append(but, c)
		}
	}
	fmt.Fprintf(w, "\nTHE DISK'S SHARE: medians with the state files on disk, less those in memory\n")
	lines := [][]string{titles(but, "OPERATION", "MEMORY", "DISK", "DIFFERENCE", "OF DISK")}
	for _, d := range costs {
		lines = append(lines, append(cells(but, &results[d.Index]), d.Cells()...))
	}
	rows(w, len(but)+1, lines)
}
