package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSysFile bounds one file of sysfs, in bytes; the longest are CPU masks.
const maxSysFile = 64 << 10

// readSys reads what sysfs and procfs say of CPUs, NUMA nodes and caches, so
// that detection can run at the other end.
func readSys() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, base := range []string{"sys/devices/system/cpu", "sys/devices/system/node"} {
		err := filepath.WalkDir("/"+base, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // files and directories come and go with CPUs
			}
			if d.IsDir() {
				switch d.Name() {
				case "cpufreq", "cpuidle", "power", "microcode", "vulnerabilities", "hotplug", "smt", "thermal_throttle", "access0", "access1", "memory_side_cache":
					return fs.SkipDir
				}
				return nil
			}
			if d.Type()&fs.ModeSymlink != 0 {
				return readLink(files, path)
			}
			data, err := os.ReadFile(path)
			if err == nil && len(data) <= maxSysFile {
				files[strings.TrimPrefix(path, "/")] = data
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, path := range []string{"proc/cpuinfo", "proc/meminfo"} {
		data, err := os.ReadFile("/" + path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		files[path] = data
	}
	return files, nil
}

// readLink keeps a link to a CPU or a node (node0/cpu3, cpu3/node0) as a
// directory: detection only asks whether it is there.
func readLink(files map[string][]byte, path string) error {
	name := filepath.Base(path)
	if strings.HasPrefix(name, "cpu") || strings.HasPrefix(name, "node") {
		files[strings.TrimPrefix(path, "/")+"/"] = nil
	}
	return nil
}
