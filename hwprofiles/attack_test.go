package hwprofiles

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// What Detect reads and the kubelet does not is reported, not passed over.
func TestReportOfAMachineTheKubeletCannotRead(t *testing.T) {
	const cpus = `
		cpu/online: 0-1
		cpu/cpu[0-1]/topology/core_id: $
		cpu/cpu[0-1]/topology/physical_package_id: 0
		node/node0/cpulist: 0-1
	`
	for name, tree := range map[string]string{
		"only cpuinfo":       `proc/cpuinfo: processor : 0\nphysical id : 0\ncore id : 0\n`,
		"node-1":             cpus + "node/node-1/cpulist: 0",
		"huge pages below 0": cpus + "node/node0/hugepages/hugepages-2048kB/nr_hugepages: -5",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			fsys := fixture(tree)
			p, err := Detect(fsys)
			g.Expect(err).NotTo(HaveOccurred())
			mi, err := DetectMachineInfo(fsys)
			g.Expect(err).To(HaveOccurred())
			g.Expect(mi).To(BeNil())
			for want, r := range map[string]Report{
				"the kubelet cannot read this machine":                 NewReport(p, nil),
				"the kubelet cannot read this machine: " + err.Error(): Unreadable(p, err),
			} {
				g.Expect(r.KubeletError).To(Equal(want))
				var b bytes.Buffer
				g.Expect(WriteTable(&b, r)).To(Succeed())
				g.Expect(b.String()).To(ContainSubstring("\nT" + want[1:] + "\n"))
				g.Expect(b.String()).NotTo(ContainSubstring("sees the same"))
				text, err := json.Marshal(r)
				g.Expect(err).NotTo(HaveOccurred())
				var fields map[string]any
				g.Expect(json.Unmarshal(text, &fields)).To(Succeed())
				g.Expect(fields).To(HaveKeyWithValue("kubeletError", want))
				g.Expect(fields).NotTo(HaveKey("kubeletView"))
				g.Expect(fields).To(HaveKeyWithValue("differences", BeEmpty()))
			}
		})
	}
}

// soon fails a test whose work waits for something that never comes.
func soon(g *WithT, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	var err error
	g.Eventually(done, 10*time.Second).Should(Receive(&err))
	return err
}

func TestNothingWaitsForAFIFO(t *testing.T) {
	g := NewWithT(t)
	fifo := func(name string) string {
		_ = os.RemoveAll(name)
		g.Expect(os.MkdirAll(filepath.Dir(name), 0o755)).To(Succeed())
		g.Expect(syscall.Mkfifo(name, 0o600)).To(Succeed())
		return name
	}
	file := fifo(filepath.Join(t.TempDir(), "p.yaml"))
	g.Expect(soon(g, func() error { _, err := ParseFile(file); return err })).To(MatchError(ContainSubstring("is not a regular file")))
	g.Expect(soon(g, func() error { _, err := ParseFile(t.TempDir()); return err })).To(MatchError(ContainSubstring("is not a regular file")))
	g.Expect(soon(g, func() error { _, err := ParseFile(os.DevNull); return err })).To(MatchError(ContainSubstring("is not a regular file")))
	g.Expect(soon(g, func() error { _, _, err := OpenSysroot(file); return err })).To(MatchError(ContainSubstring("is not a directory")))
	p, err := Load("generic-2s4c-smt2")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(soon(g, func() error { return WriteSysfs(p, file) })).NotTo(Succeed())
	for name, want := range map[string]string{
		"proc/cpuinfo":                  "proc/cpuinfo is not a regular file",
		"proc/meminfo":                  "proc/meminfo is not a regular file",
		"sys/devices/system/cpu/online": "cpu/online is not a regular file",
		"sys/devices/system/cpu/cpu1/topology/core_id": "core_id is not a regular file",
		"sys/devices/system/cpu/cpu1/topology":         "",
		"sys/devices/system/cpu/cpu1/cache":            "",
		"sys/devices/system/cpu/cpu1":                  "",
		"sys/devices/system/cpu":                       "",
		"sys/devices/system/node/node1":                "",
		"sys/devices/system/node":                      "",
		"sys/devices/system/node/node0/hugepages":      "",
		"sys": "",
		// What only cadvisor reads.
		"sys/devices/system/cpu/cpu0/cache/index0/level": "level is not a regular file",
		"sys/devices/system/node/node0/cpu0":             "",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			root := filepath.Join(t.TempDir(), "root")
			g.Expect(WriteSysfs(p, root)).To(Succeed())
			fifo(filepath.Join(root, name))
			err := soon(g, func() error {
				fsys, closer, err := OpenSysroot(root)
				if err != nil {
					return err
				}
				defer func() { _ = closer.Close() }()
				_, _ = DetectMachineInfo(fsys)
				_, err = Detect(fsys)
				return err
			})
			if want != "" {
				g.Expect(err).To(MatchError(ContainSubstring(want)))
			}
		})
	}
}

func TestTreesSayWhichCPUsTheyHold(t *testing.T) {
	g := NewWithT(t)
	for name, want := range map[string][]string{
		"epyc-7763-2s-nps1": {"vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 0\nmodel name\t: ", "physical id\t: 1\n"},
		"xeon-2s24c-smt2":   {"vendor_id\t: GenuineIntel\ncpu family\t: 6\n", "core id\t\t: 0\n"},
		"s390x-lpar":        {"vendor_id\t: IBM/S390\n"},
		"nvidia-gb200":      {"processor\t: 0\nCPU architecture: 8\n"},
		"power9-2s20c":      {"processor\t: 0\ncpu\t\t: "},
		"riscv-u74-2c":      {"processor\t: 0\nmodel name\t: two-core", "\n\nprocessor\t: 1\n"},
	} {
		p, err := Load(name)
		g.Expect(err).NotTo(HaveOccurred())
		text := sysfsFiles(p).files["proc/cpuinfo"]
		for _, part := range want {
			g.Expect(text).To(ContainSubstring(part), name)
		}
	}
}

func TestDistancesThatNoKernelGives(t *testing.T) {
	g := NewWithT(t)
	for _, row := range []string{"9", "0", "256", "10x0 10"} {
		_, err := Parse([]byte("name: a\nshape: sockets=1 cores=2\ndistances:\n- "+row+"\n"), "p.yaml")
		g.Expect(err).To(MatchError(HavePrefix("p.yaml:4: distance ")), row)
	}
	// A tree that holds them is read without.
	p, err := Detect(fixture("cpu/online: 0\ncpu/cpu0/topology/core_id: 0\nnode/node0/cpulist: 0\nnode/node0/distance: 300"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.NUMANodes[0].Distances).To(BeEmpty())
	g.Expect(p.Notes).To(ConsistOf(ContainSubstring("a distance of 300; distances are 10 to 255, so the row is left out")))
	data, err := p.MarshalProfile()
	g.Expect(err).NotTo(HaveOccurred())
	q, err := Parse(data, "p.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	expectSame(g, q, p)
}
