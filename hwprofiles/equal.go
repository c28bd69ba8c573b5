package hwprofiles

import (
	"maps"
	"slices"
)

// Equal says whether two profiles describe the same machine. Names, notes and
// what is remembered of offline CPUs do not matter.
func (p *Profile) Equal(q *Profile) bool {
	return p.Arch == q.Arch &&
		p.MemoryBytes == q.MemoryBytes &&
		p.NoCacheIDs == q.NoCacheIDs &&
		p.Possible.Equals(q.Possible) &&
		slices.EqualFunc(p.CPUs, q.CPUs, equalCPUs) &&
		slices.EqualFunc(p.NUMANodes, q.NUMANodes, equalNodes) &&
		slices.EqualFunc(p.UncoreCaches, q.UncoreCaches, equalCaches)
}

func equalCPUs(a, b CPU) bool {
	return a.ID == b.ID && a.Online == b.Online && a.Core == b.Core && a.Socket == b.Socket &&
		a.Package == b.Package && a.NUMANode == b.NUMANode && a.UncoreCache == b.UncoreCache &&
		a.Die == b.Die && a.Cluster == b.Cluster && a.Book == b.Book && a.Drawer == b.Drawer &&
		a.Kind == b.Kind && a.NoTopology == b.NoTopology && a.Siblings.Equals(b.Siblings)
}

func equalNodes(a, b NUMANode) bool {
	return a.ID == b.ID && a.MemoryBytes == b.MemoryBytes &&
		a.AbsentCPUs.String() == b.AbsentCPUs.String() &&
		maps.Equal(a.HugePages, b.HugePages) && slices.Equal(a.Distances, b.Distances)
}

func equalCaches(a, b UncoreCache) bool {
	return a.ID == b.ID && a.Level == b.Level && a.SizeBytes == b.SizeBytes && a.CPUs.Equals(b.CPUs)
}
