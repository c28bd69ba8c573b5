package hwprofiles

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"k8s.io/utils/cpuset"
)

// WriteTable writes a report for people: a summary, the NUMA nodes with their
// distances, the L3 caches, and where the kubelet sees something else.
func WriteTable(w io.Writer, r Report) error {
	var b bytes.Buffer
	b.WriteString(r.Name)
	if r.Description != "" {
		b.WriteString(": " + r.Description)
	}
	b.WriteString("\n\n")
	writeSummary(&b, r)
	writeNodes(&b, r)
	writeCaches(&b, r)
	for _, l := range []struct {
		title string
		items []string
	}{
		{"Where the kubelet sees something else than the kernel", r.Differences},
		{"Notes", r.Notes},
		{"Sources", r.Sources},
	} {
		if len(l.items) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", l.title)
		for _, item := range l.items {
			fmt.Fprintf(&b, "- %s\n", item)
		}
	}
	switch {
	case r.KubeletError != "":
		fmt.Fprintf(&b, "\n%s\n", strings.ToUpper(r.KubeletError[:1])+r.KubeletError[1:])
	case r.KubeletView != nil && len(r.Differences) == 0:
		b.WriteString("\nThe kubelet sees the same as the kernel.\n")
	}
	// Columns are padded; lines end without the padding.
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func columns(b *bytes.Buffer) *tabwriter.Writer { return tabwriter.NewWriter(b, 0, 0, 2, ' ', 0) }

func count(list string) int {
	set, err := cpuset.Parse(list)
	if err != nil {
		return 0
	}
	return set.Size()
}

func writeSummary(b *bytes.Buffer, r Report) {
	t := columns(b)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("CPUs", "%d online: %s", count(r.OnlineCPUs), r.OnlineCPUs)
	if r.OfflineCPUs != "" {
		row("Offline", "%s", r.OfflineCPUs)
	}
	if possible := count(r.PossibleCPUs); possible > len(r.CPUs) {
		row("Possible", "%s", r.PossibleCPUs)
	}
	row("Sockets", "%s", socketsText(r))
	row("Cores", "%d, SMT level %d", r.NumCores, r.SMTLevel)
	row("Siblings", "%s", r.SiblingRule)
	if kinds := kindsText(r); kinds != "" {
		row("Core types", "%s", kinds)
	}
	row("Memory", "%s", sizeText(r.MemoryBytes))
	if r.Arch != "" {
		row("Arch", "%s", r.Arch)
	}
	_ = t.Flush() // to a buffer
}

// socketsText lists the sockets' ids where they are not 0, 1, 2 …
func socketsText(r Report) string {
	var ids []int
	plain := true
	for _, c := range r.CPUs {
		if c.Online && !slices.Contains(ids, c.Socket) {
			ids = append(ids, c.Socket)
		}
	}
	slices.Sort(ids)
	words := make([]string, len(ids))
	for i, id := range ids {
		plain = plain && id == i
		words[i] = strconv.Itoa(id)
	}
	if plain && len(ids) == r.NumSockets {
		return strconv.Itoa(r.NumSockets)
	}
	return fmt.Sprintf("%d (ids %s)", r.NumSockets, strings.Join(words, ", "))
}

func kindsText(r Report) string {
	byKind := map[string][]int{}
	var kinds []string
	for _, c := range r.CPUs {
		if c.Kind == "" {
			continue
		}
		if byKind[c.Kind] == nil {
			kinds = append(kinds, c.Kind)
		}
		byKind[c.Kind] = append(byKind[c.Kind], c.ID)
	}
	parts := make([]string, len(kinds))
	for i, kind := range kinds {
		parts[i] = kind + " " + cpuset.New(byKind[kind]...).String()
	}
	return strings.Join(parts, "; ")
}

func writeNodes(b *bytes.Buffer, r Report) {
	if len(r.NUMANodes) == 0 {
		b.WriteString("\nNo NUMA nodes\n")
		return
	}
	b.WriteString("\n")
	sockets := map[int][]string{}
	for _, c := range r.CPUs {
		if s := strconv.Itoa(c.Socket); c.Online && !slices.Contains(sockets[c.NUMANode], s) {
			sockets[c.NUMANode] = append(sockets[c.NUMANode], s)
		}
	}
	t := columns(b)
	fmt.Fprint(t, "NODE\tSOCKET\tMEMORY\tCPUS\n")
	for _, n := range r.NUMANodes {
		cpus := n.CPUs
		if cpus == "" {
			cpus = "-"
		}
		if n.OfflineCPUs != "" {
			cpus += " (offline " + n.OfflineCPUs + ")"
		}
		if n.AbsentCPUs != "" {
			cpus += " (listed, but absent " + n.AbsentCPUs + ")"
		}
		socket := strings.Join(sockets[n.ID], ",")
		if socket == "" {
			socket = "-"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s%s\n", n.ID, socket, sizeText(n.MemoryBytes), cpus, hugePagesText(n))
	}
	_ = t.Flush() // to a buffer
	writeDistances(b, r)
}

func hugePagesText(n ReportNode) string {
	var sizes []string
	for size, count := range n.HugePages {
		if count > 0 {
			sizes = append(sizes, fmt.Sprintf("%d x %s", count, size))
		}
	}
	if len(sizes) == 0 {
		return ""
	}
	slices.Sort(sizes)
	return ", huge pages " + strings.Join(sizes, ", ")
}

// writeDistances writes the matrix, right-aligned.
func writeDistances(b *bytes.Buffer, r Report) {
	if len(r.NUMANodes) < 2 {
		return
	}
	width := 0
	for _, n := range r.NUMANodes {
		width = max(width, len(strconv.Itoa(n.ID)))
		for _, d := range n.Distances {
			width = max(width, len(strconv.Itoa(d)))
		}
	}
	cell := func(v string) { fmt.Fprintf(b, " %*s", width, v) }
	fmt.Fprintf(b, "\nDISTANCE")
	for _, n := range r.NUMANodes {
		cell(strconv.Itoa(n.ID))
	}
	b.WriteString("\n")
	for _, n := range r.NUMANodes {
		fmt.Fprintf(b, "%8d", n.ID)
		if len(n.Distances) == 0 {
			b.WriteString(" unknown")
		}
		for _, d := range n.Distances {
			cell(strconv.Itoa(d))
		}
		b.WriteString("\n")
	}
}

func writeCaches(b *bytes.Buffer, r Report) {
	if len(r.UncoreCaches) == 0 {
		b.WriteString("\nNo L3 cache\n")
		return
	}
	b.WriteString("\n")
	t := columns(b)
	fmt.Fprint(t, "CACHE\tLEVEL\tSIZE\tCPUS\n")
	// Hundreds of caches are alike; the first ones show the rule.
	const most = 64
	shown := r.UncoreCaches
	if len(shown) > most {
		shown = shown[:8]
	}
	for _, u := range shown {
		size := "-"
		if u.SizeBytes > 0 {
			size = sizeText(u.SizeBytes)
		}
		fmt.Fprintf(t, "%d\tL%d\t%s\t%s\n", u.ID, u.Level, size, u.SharedCPUs)
	}
	_ = t.Flush() // to a buffer
	if rest := len(r.UncoreCaches) - len(shown); rest > 0 {
		fmt.Fprintf(b, "… and %d more\n", rest)
	}
	if r.NoCacheIDs {
		b.WriteString("The kernel gives its caches no ids; these are counted.\n")
	}
}
