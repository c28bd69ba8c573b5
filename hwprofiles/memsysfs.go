package hwprofiles

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/cadvisor/lib/utils/sysfs"
)

// Where sysfs keeps CPUs and nodes. cadvisor compares and takes apart these
// paths, so they are the same whatever the tree is read from.
const (
	sysCPU  = "/sys/devices/system/cpu"
	sysNode = "/sys/devices/system/node"
)

// memSysFs shows a profile's facts to cadvisor as the files of a sysfs would.
type memSysFs struct {
	noDevices
	p      *Profile
	byID   map[int]*CPU
	byNode map[int][]string // paths of the CPUs in node directories
	caches map[int]int      // index of UncoreCaches by CPU
}

func newMemSysFs(p *Profile) *memSysFs {
	m := &memSysFs{p: p, byID: make(map[int]*CPU, len(p.CPUs)), byNode: map[int][]string{}, caches: map[int]int{}}
	for i := range p.CPUs {
		c := &p.CPUs[i]
		m.byID[c.ID] = c
		if c.NUMANode != None {
			m.byNode[c.NUMANode] = append(m.byNode[c.NUMANode], fmt.Sprintf("%s/node%d/cpu%d", sysNode, c.NUMANode, c.ID))
		}
	}
	for _, paths := range m.byNode {
		slices.Sort(paths)
	}
	for i := range p.UncoreCaches {
		for _, id := range p.UncoreCaches[i].CPUs.UnsortedList() {
			m.caches[id] = i
		}
	}
	return m
}

// GetNodesPaths lists the node directories in the order of a glob: by text.
func (m *memSysFs) GetNodesPaths() ([]string, error) {
	var paths []string
	for i := range m.p.NUMANodes {
		paths = append(paths, fmt.Sprintf("%s/node%d", sysNode, m.p.NUMANodes[i].ID))
	}
	slices.Sort(paths)
	return paths, nil
}

func (m *memSysFs) GetCPUsPaths(dir string) ([]string, error) {
	if n, ok := m.node(dir); ok {
		return m.byNode[n.ID], nil
	}
	var paths []string
	for i := range m.p.CPUs {
		paths = append(paths, fmt.Sprintf("%s/cpu%d", sysCPU, m.p.CPUs[i].ID))
	}
	slices.Sort(paths)
	return paths, nil
}

func (m *memSysFs) node(dir string) (NUMANode, bool) {
	digits, ok := strings.CutPrefix(path.Base(dir), "node")
	id, err := strconv.Atoi(digits)
	if !ok || err != nil {
		return NUMANode{}, false
	}
	return m.p.Node(id)
}

// cpu finds the CPU of a path; an offline one has no topology files.
func (m *memSysFs) cpu(dir string) (*CPU, bool) {
	id, err := strconv.Atoi(strings.TrimPrefix(path.Base(dir), "cpu"))
	c, ok := m.byID[id]
	return c, ok && err == nil && c.Online && !c.NoTopology
}

func (m *memSysFs) topology(dir string, of func(*CPU) int) (string, error) {
	c, ok := m.cpu(dir)
	if !ok {
		return "", &fs.PathError{Op: "open", Path: dir + "/topology", Err: fs.ErrNotExist}
	}
	return strconv.Itoa(of(c)), nil
}

func (m *memSysFs) GetCoreID(dir string) (string, error) {
	return m.topology(dir, func(c *CPU) int { return c.Core })
}

func (m *memSysFs) GetCPUPhysicalPackageID(dir string) (string, error) {
	return m.topology(dir, func(c *CPU) int { return c.Socket })
}

func (m *memSysFs) GetBookID(dir string) (string, error) {
	return m.topology(dir, func(c *CPU) int { return c.Book })
}

func (m *memSysFs) GetDrawerID(dir string) (string, error) {
	return m.topology(dir, func(c *CPU) int { return c.Drawer })
}

func (m *memSysFs) IsCPUOnline(dir string) bool {
	id, err := strconv.Atoi(strings.TrimPrefix(path.Base(dir), "cpu"))
	c, ok := m.byID[id]
	return ok && err == nil && c.Online
}

func (m *memSysFs) GetMemInfo(dir string) (string, error) {
	n, ok := m.node(dir)
	if !ok {
		return "", fs.ErrNotExist
	}
	return fmt.Sprintf("Node %d MemTotal:       %d kB", n.ID, n.MemoryBytes/1024), nil
}

func (m *memSysFs) GetDistances(dir string) (string, error) {
	n, ok := m.node(dir)
	if !ok || len(n.Distances) == 0 {
		return "", fs.ErrNotExist
	}
	return formatDistances(n.Distances), nil
}

func formatDistances(row []int) string {
	words := make([]string, len(row))
	for i, d := range row {
		words[i] = strconv.Itoa(d)
	}
	return strings.Join(words, " ")
}

func (m *memSysFs) GetHugePagesInfo(dir string) ([]os.FileInfo, error) {
	n, ok := m.node(path.Dir(path.Clean(dir)))
	if !ok || len(n.HugePages) == 0 {
		return nil, fs.ErrNotExist
	}
	var infos []os.FileInfo
	for size := range n.HugePages {
		infos = append(infos, dirInfo(hugePagesDir(size)))
	}
	slices.SortFunc(infos, func(a, b os.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	return infos, nil
}

func hugePagesDir(size uint64) string { return fmt.Sprintf("hugepages-%dkB", size/1024) }

func (m *memSysFs) GetHugePagesNr(dir, name string) (string, error) {
	n, _ := m.node(path.Dir(path.Clean(dir)))
	for size, count := range n.HugePages {
		if hugePagesDir(size) == name {
			return strconv.FormatUint(count, 10), nil
		}
	}
	return "", fs.ErrNotExist
}

// unified is the type of a cache that is for data and instructions alike.
const unified = "Unified"

// coreCaches are the caches index0 to index2 of machines that have an L3: with
// the CPUs of a core.
func coreCaches() []sysfs.CacheInfo {
	return []sysfs.CacheInfo{{Level: 1, Type: "Data"}, {Level: 1, Type: "Instruction"}, {Level: 2, Type: unified}}
}

// uncoreIndex is the index of the L3.
const uncoreIndex = 3

// GetCaches lists the cache directories as WriteSysfs makes them.
func (m *memSysFs) GetCaches(id int) ([]os.FileInfo, error) {
	if c, ok := m.byID[id]; !ok || !c.Online || len(m.caches) == 0 {
		return nil, fs.ErrNotExist
	}
	infos := []os.FileInfo{dirInfo("index0"), dirInfo("index1"), dirInfo("index2")}
	if _, ok := m.caches[id]; ok {
		infos = append(infos, dirInfo("index"+strconv.Itoa(uncoreIndex)))
	}
	return infos, nil
}

func (m *memSysFs) GetCacheInfo(id int, name string) (sysfs.CacheInfo, error) {
	index, err := strconv.Atoi(strings.TrimPrefix(name, "index"))
	if err != nil || m.p.NoCacheIDs && m.p.Arch != "s390x" {
		return sysfs.CacheInfo{}, &fs.PathError{Op: "open", Path: fmt.Sprintf("%s/cpu%d/cache/%s/id", sysCPU, id, name), Err: fs.ErrNotExist}
	}
	var info sysfs.CacheInfo
	if index == uncoreIndex {
		u := &m.p.UncoreCaches[m.caches[id]]
		info = sysfs.CacheInfo{Id: u.ID, Size: u.SizeBytes, Level: u.Level, Type: unified, Cpus: u.CPUs.Size()}
	} else {
		info = coreCaches()[index]
		info.Id, info.Cpus = lowest(m.byID[id].Siblings), m.byID[id].Siblings.Size()
	}
	if m.p.Arch == "s390x" {
		info.Id = 0 // cadvisor reads no cache ids there
	}
	return info, nil
}

// dirInfo is a directory of which only the name is known.
type dirInfo string

func (d dirInfo) Name() string     { return string(d) }
func (dirInfo) Size() int64        { return 0 }
func (dirInfo) Mode() fs.FileMode  { return fs.ModeDir | 0o555 }
func (dirInfo) ModTime() time.Time { return time.Time{} }
func (dirInfo) IsDir() bool        { return true }
func (dirInfo) Sys() any           { return nil }

// noDevices is the part of cadvisor's interface that a machine's topology does
// not need: disks, network and the system's UUID.
type noDevices struct{}

func (noDevices) GetBlockDevices() ([]os.FileInfo, error)         { return nil, nil }
func (noDevices) GetBlockDeviceSize(string) (string, error)       { return "", fs.ErrNotExist }
func (noDevices) GetBlockDeviceScheduler(string) (string, error)  { return "", fs.ErrNotExist }
func (noDevices) GetBlockDeviceNumbers(string) (string, error)    { return "", fs.ErrNotExist }
func (noDevices) IsBlockDeviceHidden(string) (bool, error)        { return false, nil }
func (noDevices) GetNetworkDevices() ([]os.FileInfo, error)       { return nil, nil }
func (noDevices) GetNetworkAddress(string) (string, error)        { return "", fs.ErrNotExist }
func (noDevices) GetNetworkMtu(string) (string, error)            { return "", fs.ErrNotExist }
func (noDevices) GetNetworkSpeed(string) (string, error)          { return "", fs.ErrNotExist }
func (noDevices) GetNetworkStatValue(_, _ string) (uint64, error) { return 0, fs.ErrNotExist }
func (noDevices) GetSystemUUID() (string, error)                  { return "", fs.ErrNotExist }
