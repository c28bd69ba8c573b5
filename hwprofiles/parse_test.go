package hwprofiles

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestParseSaysWhereAndWhat(t *testing.T) {
	head := "name: a\nshape: sockets=2 cores=4 threads=2\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "p.yaml:1: the file is empty"},
		"comment only":     {"# nothing\n", "p.yaml:1: the file is empty"},
		"not YAML":         {"name: a\nshape: [\n", "p.yaml:"},
		"tab":              {"name: a\n\tshape: b\n", "p.yaml:2: not valid YAML"},
		"list":             {"- a\n", "p.yaml:1: the profile is a list; want a mapping"},
		"two documents":    {head + "---\nname: b\n", "p.yaml:3: a second document starts here"},
		"NUL":              {"name: a\x00\n", "NUL bytes"},
		"no name":          {"shape: cores=4\n", "p.yaml:1: name is missing"},
		"bad name":         {"name: My Machine\nshape: cores=4\n", `p.yaml:1: name "My Machine" is no profile name`},
		"no shape":         {"name: a\n", "p.yaml:1: shape is missing"},
		"unknown field":    {head + "distance: 10\n", `p.yaml:3: unknown field in the profile: "distance"; did you mean "distances"?`},
		"twice":            {head + "name: b\n", "p.yaml:3: name is given twice in the profile, first in line 1"},
		"alias":            {"name: &a b\nshape: *a\n", "p.yaml:2: shape is an alias"},
		"unknown shape":    {"name: a\nshape: socket=2 cores=4\n", `p.yaml:2: shape: unknown key "socket"; did you mean "sockets"?`},
		"mapped shape":     {"name: a\nshape:\n  cores: 4\n  thread: 2\n", `p.yaml:4: unknown field in shape: "thread"; did you mean "threads"?`},
		"shape value":      {"name: a\nshape:\n  cores: 4\n  threads: none\n", "p.yaml:4: threads=none is no number from 1 to 64"},
		"numbering":        {"name: a\nshape: cores=4 numbering=blok\n", `p.yaml:2: shape: unknown numbering "blok"; did you mean "block"?`},
		"nodes and shape":  {"name: a\nshape: sockets=2 nodes=3 cores=4\n", "p.yaml:2: shape: nodes=3 does not fit sockets=2"},
		"too many CPUs":    {"name: a\nshape: sockets=64 cores=64 threads=2\n", "p.yaml:2: shape: 8192 CPUs are too many; at most 4096"},
		"node field":       {head + "nodes:\n- {id: 0, mem: 1GiB}\n", `p.yaml:4: unknown field in a node: "mem"; did you mean "memory"?`},
		"node id":          {head + "nodes:\n- {memory: 1GiB}\n", "p.yaml:4: a node has no id"},
		"node twice":       {head + "nodes:\n- {id: 0}\n- {id: 0}\n", "p.yaml:5: node 0 is described twice, first in line 4"},
		"size":             {head + "nodes:\n- {id: 0, memory: 1GB}\n", `p.yaml:4: memory: "1GB" is no size; want a whole number with KiB, MiB, GiB or TiB`},
		"CPU left out":     {head + "nodes:\n- {id: 0, cpus: 0-2}\n", "p.yaml:4: CPU 3 is in no node: the list of node 0 leaves it out"},
		"CPU in two nodes": {head + "nodes:\n- {id: 0, cpus: 0-7}\n- {id: 1, cpus: 7-15}\n", "p.yaml:5: CPU 7 is in node 0 and in node 1"},
		"no such CPU":      {head + "nodes:\n- {id: 0, cpus: 0-99}\n", "p.yaml:4: cpus: there is no CPU 16; the CPUs are 0-15"},
		"rows":             {head + "distances: [10 20]\n", "p.yaml:3: distances has 1 rows; want one for each of 2 nodes"},
		"row":              {head + "distances:\n- 10 20\n- 20 10 30\n", "p.yaml:5: the row of node 1 has 3 distances"},
		"distance":         {head + "distances:\n- 10 x\n", `p.yaml:4: distance "x"`},
		"cpus field":       {head + "cpus:\n  offlin: 1\n", `p.yaml:4: unknown field in cpus: "offlin"; did you mean "offline"?`},
		"offline":          {head + "cpus:\n  offline: 99\n", "p.yaml:4: offline: there is no CPU 99"},
		"all offline":      {head + "cpus:\n  offline: 0-15\n", "p.yaml:4: no CPU is online"},
		"ids":              {head + "cpus:\n  ids: 0-7\n", "p.yaml:4: ids gives 8 CPUs; the shape has 16"},
		"ids twice":        {head + "cpus:\n  ids: 0-7,0-7\n", "p.yaml:4: ids names CPU 0 twice"},
		"core values":      {head + "cpus:\n  core: 0-3\n", "p.yaml:4: core gives 4 values; want one for all CPUs, or one for each of 16"},
		"socket id":        {head + "cpus:\n  socket: {big: 0}\n", `p.yaml:4: socket "big" is no id`},
		"no such node":     {head + "cpus:\n  node: {5: 0}\n", "CPU 0 is in node 5, which the profile does not have"},
		"kind":             {head + "cpus:\n  kind: {fast: 0}\n", `p.yaml:4: kind "fast" is no core type; want P, E, LP-E`},
		"siblings":         {head + "cpus:\n  siblings: [0-1, 1-2]\n", "p.yaml:4: CPU 1 is in two cores"},
		"possible":         {head + "cpus:\n  possible: 0-7\n", "p.yaml:4: possible leaves out the present CPUs 8-15"},
		"cache":            {head + "caches: [{id: 7, size: 1MiB}]\n", "p.yaml:3: no CPU has L3 cache 7"},
		"huge pages":       {head + "nodes:\n- {id: 0, hugePages: {2MiB: many}}\n", "p.yaml:4: hugePages 2MiB: many"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := Parse([]byte(c.text), "p.yaml")
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
			g.Expect(err.Error()).To(HavePrefix("p.yaml:"))
		})
	}
}

func TestParseTakesAShapeAsAMapping(t *testing.T) {
	g := NewWithT(t)
	p, err := Parse([]byte("name: a\nshape:\n  sockets: 2\n  cores: [4, 2]\n  threads: 2\n  memory: 8GiB\n"), "p.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	q, err := ParseShape("sockets=2 cores=4,2 threads=2 memory=8GiB")
	g.Expect(err).NotTo(HaveOccurred())
	expectSame(g, p, q)
}

func TestParseShapeSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "is empty; want key=value pairs",
		"cores":                              `"cores" is no key=value pair`,
		"sockets=2":                          "cores is missing",
		"cores=4 cores=5":                    "cores is given twice",
		"cores=0":                            "cores=0: want numbers from 1 to 4096",
		"core=4":                             `unknown key "core"; did you mean "cores"?`,
		"cores=4 l3=numa":                    "l3=numa: want socket, node, machine, none",
		"cores=4 numbering=socket/node":      "has 2 levels",
		"cores=4 numbering=core/core/x/y":    "names core twice",
		"cores=4 distance=10":                "distance=10: want local,remote",
		"cores=4 core-ids=0-2":               "core-ids gives 3 ids",
		"cores=4 socket-ids=1,2":             "socket-ids gives 2 ids",
		"cores=4 node-ids=1,2":               "node-ids gives 2 ids",
		"sockets=2 cores=4 node-ids=3,3":     "node-ids names node 3 twice",
		"cores=4 nodes=2 node-cores=1,2":     "node-cores of socket 0 add up to 3; want its 4 cores",
		"cores=4 nodes=999":                  "nodes=999 is no number from 0 to 256",
		"cores=4 dies=5":                     "dies=5 is more than the 4 cores",
		"cores=4096 threads=2":               "8192 CPUs are too many",
		"sockets=3 cores=4,2":                "cores lists 2 sockets, sockets says 3",
		"cores=4 memory=lots":                `"lots" is no size`,
		"cores=4 arch=x86/64":                `arch="x86/64" is no architecture`,
		"cores=4 " + strings.Repeat("x", 99): "is no key=value pair",
	} {
		t.Run(text, func(t *testing.T) {
			g := NewWithT(t)
			_, err := ParseShape(text)
			g.Expect(err).To(MatchError(ContainSubstring(want)))
			g.Expect(err.Error()).To(HavePrefix("shape "))
		})
	}
}

func TestParseShapeNumbers(t *testing.T) {
	for shape, want := range map[string]string{
		"sockets=2 cores=2 threads=2":                                   "0,4 1,5 2,6 3,7",
		"sockets=2 cores=2 threads=2 numbering=round-robin":             "0,4 1,5 2,6 3,7",
		"sockets=2 cores=2 threads=2 numbering=adjacent":                "0-1 2-3 4-5 6-7",
		"sockets=2 cores=2 threads=2 numbering=socket/thread/node/core": "0,2 1,3 4,6 5,7",
		"sockets=2 cores=2,1 threads=2":                                 "0,3 1,4 2,5",
	} {
		g := NewWithT(t)
		p, err := ParseShape(shape)
		g.Expect(err).NotTo(HaveOccurred())
		var cores []string
		for _, c := range p.CPUs {
			if lowest(c.Siblings) == c.ID {
				cores = append(cores, c.Siblings.String())
			}
		}
		g.Expect(strings.Join(cores, " ")).To(Equal(want), shape)
	}
}

func TestResolve(t *testing.T) {
	g := NewWithT(t)
	p, err := Resolve("xeon-2s24c-smt2")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.CPUs).To(HaveLen(96))
	p, err = Resolve("sockets=2 cores=2")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.CPUs).To(HaveLen(4))
	g.Expect(p.Name).To(Equal("sockets=2 cores=2"))
	file := filepath.Join(t.TempDir(), "mine.yaml")
	g.Expect(os.WriteFile(file, []byte("name: mine\nshape: cores=3\n"), 0o644)).To(Succeed())
	p, err = Resolve(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Name).To(Equal("mine"))
	for ref, want := range map[string]string{
		"":                 "no profile is named",
		"xeon-2s24c-smt":   `there is no profile "xeon-2s24c-smt"; did you mean "xeon-2s24c-smt2"?`,
		"epyc-7742":        `did you mean "epyc-7742-2s-nps1"?`,
		"zzz":              "pinlab profile list names them all",
		"../x":             "../x: no such file",
		"missing.yaml":     "missing.yaml: no such file",
		"sockets=2 core=1": `unknown key "core"`,
	} {
		_, err := Resolve(ref)
		g.Expect(err).To(MatchError(ContainSubstring(want)), ref)
	}
	_, err = Load("../profile")
	g.Expect(err).To(MatchError(ContainSubstring("there is no profile")))
}

func TestParseCPUList(t *testing.T) {
	for list, want := range map[string]string{
		"": "", "\n": "", "0": "0", "0-3,8\n": "0-3,8", " 1 , 2 ": "1-2", "0-31:1/8": "0,8,16,24", "1-15:7/8": "1-7,9-15", "3,1,2": "1-3", "5-5": "5",
	} {
		g := NewWithT(t)
		set, err := ParseCPUList(list)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(set.String()).To(Equal(want), "%q", list)
	}
	for _, list := range []string{"a", "1-", "-1", "3-1", "1,,2", "0-99999999", "65536", "1:2/3", "0-3:2/1", "0-3:0/4", "+1", "0x3", "1-2-3"} {
		_, err := ParseCPUList(list)
		NewWithT(t).Expect(err).To(HaveOccurred(), "%q", list)
	}
}

func TestParseCPUMask(t *testing.T) {
	for mask, want := range map[string]string{
		"": "", "0": "", "f": "0-3", "00000001,00000000": "32", "ffffffff,80000001\n": "0,31-63", "0x3": "0-1", "8000000000000001": "0,63", "1,0,0": "64",
	} {
		g := NewWithT(t)
		set, err := ParseCPUMask(mask)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(set.String()).To(Equal(want), "%q", mask)
		if want != "" {
			back, err := ParseCPUMask(formatMask(set, 64))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(back.String()).To(Equal(want))
		}
	}
	for _, mask := range []string{"g", "1,,2", "fffffffff,0", "-1", strings.Repeat("0,", 5000) + "1"} {
		_, err := ParseCPUMask(mask)
		NewWithT(t).Expect(err).To(HaveOccurred(), "%q", clip(mask))
	}
}
