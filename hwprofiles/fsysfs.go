package hwprofiles

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cadvisor/lib/model"
	"github.com/google/cadvisor/lib/utils/sysfs"
	"github.com/google/cadvisor/lib/utils/sysinfo"
)

// DetectMachineInfo returns a machine as the kubelet on it would see it:
// cadvisor's own reader over the files themselves, with the reader's habits
// kept. It differs from Detect followed by Profile.MachineInfo where the files
// hold something that a Profile does not: caches below L3, ids that some
// caches have and others lack, a node without links to its CPUs.
//
// In a live sysfs every node has a link to each of its CPUs. Copies often lose
// the links or what they lead to: the CPU's own directory is read then, and
// where no node has any link the node's list stands for them.
func DetectMachineInfo(fsys fs.FS) (*model.MachineInfo, error) {
	t, err := openTree(fsys)
	if err != nil {
		return nil, err
	}
	p, err := Detect(fsys)
	if err != nil {
		return nil, err
	}
	s, err := newFileSysFs(t, p)
	if err != nil {
		return nil, err
	}
	nodes, cpus, err := sysinfo.GetNodesInfo(s)
	if err != nil {
		return nil, fmt.Errorf("cadvisor cannot read this tree: %w", err)
	}
	nodesPaths, _ := s.GetNodesPaths()
	if len(nodesPaths) == 0 {
		sortPackages(nodes)
	}
	cores, sockets, err := s.count()
	if err != nil {
		return nil, err
	}
	pages, err := sysinfo.GetHugePagesInfo(s, "/sys/kernel/mm/hugepages/")
	if err != nil {
		return nil, err
	}
	return &model.MachineInfo{
		NumCores:         cpus,
		NumPhysicalCores: cores,
		NumSockets:       sockets,
		MemoryCapacity:   p.MemoryBytes,
		HugePages:        pages,
		Topology:         nodes,
		CloudProvider:    model.UnknownProvider,
		InstanceType:     model.UnknownInstance,
	}, nil
}

// fileSysFs is cadvisor's own access to sysfs, over the files of a tree.
type fileSysFs struct {
	noDevices
	*tree
	arch string
	// nodeCPUs stands for the links from nodes to CPUs where a copy lost them.
	nodeCPUs map[string][]string
}

func newFileSysFs(t *tree, p *Profile) (*fileSysFs, error) {
	s := &fileSysFs{tree: t, arch: p.Arch}
	links := false
	lost := map[string][]string{}
	for _, n := range p.NUMANodes {
		dir := fmt.Sprintf("%s/node%d", sysNode, n.ID)
		cpus, err := t.numbered(s.real(dir), "cpu")
		if err != nil {
			return nil, err
		}
		links = links || len(cpus) > 0
		for _, cpu := range p.CPUsInNode(n.ID).List() {
			lost[dir] = append(lost[dir], fmt.Sprintf("%s/cpu%d", dir, cpu))
		}
		slices.Sort(lost[dir])
	}
	if !links {
		s.nodeCPUs = lost
	}
	return s, nil
}

// real turns a path that cadvisor knows into one of the tree.
func (s *fileSysFs) real(name string) string {
	return s.path(strings.TrimPrefix(path.Clean(name), "/sys/"))
}

// file reads a file as cadvisor does: white space around it cut off, and an
// error that os.IsNotExist knows when it is missing. An empty file is missing,
// too: no kernel has one among those read, but copies do.
func (s *fileSysFs) file(name string) (string, error) {
	text, ok, err := s.read(s.real(name), maxSysfsFile)
	text = strings.TrimSpace(strings.TrimRight(text, padding))
	if err == nil && (!ok || text == "") {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return text, err
}

func (s *fileSysFs) glob(dir, prefix string) ([]string, error) {
	names, err := s.names(s.real(dir))
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && isDigits(rest[len(rest)-1:]) {
			paths = append(paths, dir+"/"+name)
		}
	}
	slices.Sort(paths)
	return paths, nil
}

func (s *fileSysFs) GetNodesPaths() ([]string, error) { return s.glob(sysNode, "node") }

func (s *fileSysFs) GetCPUsPaths(dir string) ([]string, error) {
	if paths, ok := s.nodeCPUs[dir]; ok {
		return paths, nil
	}
	return s.glob(dir, "cpu")
}

// topology reads a CPU's file, through its node's link or, where that leads
// nowhere, from the CPU's own directory.
func (s *fileSysFs) topology(dir, name string) (string, error) {
	text, err := s.file(dir + "/topology/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return s.file(sysCPU + "/" + path.Base(dir) + "/topology/" + name)
	}
	return text, err
}

func (s *fileSysFs) GetCoreID(dir string) (string, error) { return s.topology(dir, "core_id") }
func (s *fileSysFs) GetBookID(dir string) (string, error) { return s.topology(dir, "book_id") }

func (s *fileSysFs) GetDrawerID(dir string) (string, error) { return s.topology(dir, "drawer_id") }

func (s *fileSysFs) GetCPUPhysicalPackageID(dir string) (string, error) {
	return s.topology(dir, "physical_package_id")
}

func (s *fileSysFs) GetMemInfo(dir string) (string, error)   { return s.file(dir + "/meminfo") }
func (s *fileSysFs) GetDistances(dir string) (string, error) { return s.file(dir + "/distance") }

func (s *fileSysFs) GetHugePagesInfo(dir string) ([]os.FileInfo, error) {
	return s.dirs(dir)
}

func (s *fileSysFs) dirs(dir string) ([]os.FileInfo, error) {
	names, err := s.names(s.real(dir))
	if err != nil {
		return nil, err
	}
	var infos []os.FileInfo
	for _, name := range names {
		// cadvisor takes names without a dash and a size for granted.
		if strings.HasPrefix(path.Base(path.Clean(dir)), "hugepages") && !strings.HasPrefix(name, "hugepages-") {
			continue
		}
		infos = append(infos, dirInfo(name))
	}
	if infos == nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	return infos, nil
}

func (s *fileSysFs) GetHugePagesNr(dir, name string) (string, error) {
	return s.file(path.Join(dir, name, "nr_hugepages"))
}

func (s *fileSysFs) GetCaches(id int) ([]os.FileInfo, error) {
	return s.dirs(fmt.Sprintf("%s/cpu%d/cache", sysCPU, id))
}

func (s *fileSysFs) GetCacheInfo(cpu int, name string) (sysfs.CacheInfo, error) {
	dir := fmt.Sprintf("%s/cpu%d/cache/%s", sysCPU, cpu, name)
	var c sysfs.CacheInfo
	for _, f := range []struct {
		name string
		scan func(string) error
	}{
		{"id", func(text string) (err error) { _, err = fmt.Sscanf(text, "%d", &c.Id); return err }},
		{"size", func(text string) error {
			_, err := fmt.Sscanf(text, "%dK", &c.Size)
			c.Size *= 1024
			return err
		}},
		{"level", func(text string) (err error) { _, err = fmt.Sscanf(text, "%d", &c.Level); return err }},
		{"type", func(text string) error { c.Type = text; return nil }},
		{"shared_cpu_map", func(text string) (err error) { c.Cpus, err = countMask(text); return err }},
	} {
		if f.name == "id" && s.arch == "s390x" {
			continue // cadvisor reads no cache ids there
		}
		text, err := s.file(dir + "/" + f.name)
		if err != nil {
			return sysfs.CacheInfo{}, err
		}
		if err := f.scan(text); err != nil {
			return sysfs.CacheInfo{}, err
		}
	}
	return c, nil
}

func countMask(text string) (int, error) {
	n := 0
	for word := range strings.SplitSeq(text, ",") {
		w, err := strconv.ParseUint(strings.TrimSpace(word), 16, 64)
		if err != nil {
			return 0, err
		}
		n += bits.OnesCount64(w)
	}
	return n, nil
}

// IsCPUOnline follows cadvisor: the list of online CPUs decides, and without
// one all are online.
func (s *fileSysFs) IsCPUOnline(dir string) bool {
	text, err := s.file(sysCPU + "/online")
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	online, listErr := ParseCPUList(text)
	id, idErr := strconv.Atoi(strings.TrimPrefix(path.Base(dir), "cpu"))
	return err == nil && listErr == nil && idErr == nil && online.Contains(id)
}

// count counts cores and sockets as cadvisor does, see countAsCadvisor.
func (s *fileSysFs) count() (cores, sockets int, err error) {
	var listed, files []cpuIDs
	text, _, err := s.read("proc/cpuinfo", maxCPUInfo)
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		n, numErr := parseNumber(strings.TrimSpace(value))
		switch key = strings.TrimSpace(key); {
		case numErr != nil:
		case key == "core id":
			listed = append(listed, cpuIDs{core: n, socket: None})
		case key == "physical id":
			listed = append(listed, cpuIDs{core: None, socket: n})
		}
	}
	dirs, err := s.GetCPUsPaths(sysCPU)
	if err != nil {
		return 0, 0, err
	}
	for _, dir := range dirs {
		if !s.IsCPUOnline(dir) {
			continue
		}
		var c cpuIDs
		if text, err := s.GetCoreID(dir); err == nil {
			c.core, _ = strconv.Atoi(text)
		}
		if text, err := s.GetCPUPhysicalPackageID(dir); err == nil {
			c.socket, _ = strconv.Atoi(text)
		}
		files = append(files, c)
	}
	cores, sockets = countTopologyFiles(files)
	coreLines, socketLines := countLines(listed)
	return cmp.Or(coreLines, cores), cmp.Or(socketLines, sockets), nil
}
