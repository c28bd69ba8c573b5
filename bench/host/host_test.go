package host_test

import (
	"testing"
	"testing/fstest"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/bench/host"
)

// tree is a machine with two CPUs: a changed file stands for a changed state.
func tree(files map[string]string) fstest.MapFS {
	base := map[string]string{
		"proc/loadavg":               "0.10 0.20 0.30 1/100 1234\n",
		"proc/stat":                  "cpu  100 0 100 800 0 0 0 0 50 0\ncpu0 50 0 50 400 0 0 0 0 0 0\ncpu1 50 0 50 400 0 0 0 0 0 0\nintr 5\n",
		"proc/cpuinfo":               "processor\t: 0\nmodel name\t: Example CPU @ 2.00GHz\n",
		"proc/self/cgroup":           "0::/a/b\n",
		"sys/fs/cgroup/a/cpu.stat":   "usage_usec 5\nnr_periods 9\nnr_throttled 3\n",
		"sys/fs/cgroup/a/b/cpu.stat": "nr_throttled 1\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2000000\n",
		"sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "3000000\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "3000000\n",
	}
	for name, text := range files {
		base[name] = text
	}
	out := fstest.MapFS{}
	for name, text := range base {
		if text != "" {
			out[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return out
}

func TestLook(t *testing.T) {
	g := NewWithT(t)
	s := host.Look(tree(nil))
	g.Expect(s).To(Equal(host.State{Load: 0.1, CPUs: 2, Total: 1000, Throttled: 4, Governors: []string{"performance"}, MHz: 2000}))
	g.Expect(host.CPUModel(tree(nil))).To(Equal("Example CPU @ 2.00GHz"))
	g.Expect(host.Look(fstest.MapFS{})).To(Equal(host.State{}))
	g.Expect(host.CPUModel(fstest.MapFS{})).To(BeEmpty())
	v1 := host.Look(tree(map[string]string{
		"proc/self/cgroup": "4:cpu,cpuacct:/x\n3:memory:/y\n", "sys/fs/cgroup/cpu,cpuacct/x/cpu.stat": "nr_throttled 7\n",
	}))
	g.Expect(v1.Throttled).To(BeEquivalentTo(7))
}

func TestDoubts(t *testing.T) {
	g := NewWithT(t)
	quiet := host.Look(tree(nil))
	g.Expect(host.Doubts(quiet, quiet)).To(BeEmpty())
	busy := host.Look(tree(map[string]string{
		"proc/loadavg": "3.50 1 1 1/1 1\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "2500000\n",
	}))
	later := host.Look(tree(map[string]string{
		"proc/stat":                "cpu  150 0 150 850 0 0 0 50 50 0\ncpu0 1\ncpu1 1\n",
		"sys/fs/cgroup/a/cpu.stat": "nr_throttled 8\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
	}))
	g.Expect(host.Doubts(busy, later)).To(Equal([]string{
		"the machine was busy before the run: load average 3.50 on 2 CPUs",
		"the hypervisor gave 25.0 % of the CPU time to others",
		"the cgroup's CPU quota was used up in 5 periods: the process was throttled",
		"the CPU frequency was between 1500 and 2000 MHz",
		"the CPU frequency governor is powersave, not performance",
		"the CPU frequency is limited below the hardware's maximum",
	}))
	// What came and went between two quiet states.
	dip := host.Look(tree(map[string]string{
		"proc/loadavg": "3.50 1 1 1/1 1\n",
		"proc/stat":    "cpu  120 0 120 840 0 0 0 20 50 0\ncpu0 1\ncpu1 1\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
	}))
	end := host.Look(tree(map[string]string{"proc/stat": "cpu  9000 0 1000 90000 0 0 0 20 50 0\ncpu0 1\ncpu1 1\n"}))
	g.Expect(host.Doubts(quiet, dip, end)).To(Equal([]string{
		"the machine was busy during the run: load average up to 3.50 on 2 CPUs",
		"the hypervisor gave up to 20 % of the CPU time to others during one repetition",
		"the CPU frequency was between 1500 and 2000 MHz",
		"the CPU frequency governor is powersave, not performance",
	}))
	g.Expect(host.Doubts(quiet, end)).To(BeEmpty())
	g.Expect(host.Doubts()).To(BeEmpty())

	blind := host.Look(tree(map[string]string{"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": ""}))
	g.Expect(host.Doubts(blind, blind)).To(Equal([]string{"the CPU frequency is not shown on this machine: changes of it go unnoticed"}))
}

func TestFileSystem(t *testing.T) {
	g := NewWithT(t)
	root := tree(map[string]string{"proc/self/mountinfo": "" +
		"1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n" +
		"2 1 0:5 / /nowhere/a rw - tmpfs tmpfs rw\n" +
		"3 1 8:2 / /nowhere/a rw - xfs /dev/vdb rw\n" +
		"4 1 8:3 / /nowhere/with\\040space rw - btrfs /dev/vdc rw\n" +
		"odd line\n"})
	for dir, want := range map[string]string{
		"/nowhere": "ext4 on /dev/vda1", "/nowhere/a/b": "xfs on /dev/vdb", "/nowhere/ab": "ext4 on /dev/vda1", "/nowhere/with space": "btrfs on /dev/vdc",
	} {
		g.Expect(host.FileSystem(root, dir)).To(Equal(want), dir)
	}
	g.Expect(host.FileSystem(fstest.MapFS{}, "/")).To(BeEmpty())
}

func TestFindDir(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	memory, err := host.OnMemory(dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(host.FindDir(memory, "/nowhere", "", dir)).To(Equal(dir))
	g.Expect(host.FindDir(!memory, dir)).To(BeEmpty())
	_, err = host.OnMemory("/nowhere")
	g.Expect(err).To(MatchError("/nowhere: no such file or directory"))
}
