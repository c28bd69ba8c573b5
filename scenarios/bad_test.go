package scenarios

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// badInputs are files with something wrong, by what it is. The messages are in
// testdata/bad.golden; steps begin in line 6.
func badInputs() [][2]string {
	pod := "- createPod: {name: a, containers: [{name: app}]}\n"
	two := "- createPod: {name: a, initContainers: [{name: init}, {name: mesh, restartPolicy: Always}], containers: [{name: app}, {name: web}]}\n"
	steps := func(lines ...string) string { return withSteps(strings.Join(lines, "\n")) }
	head := func(lines ...string) string {
		return strings.Replace(withSteps("- reboot: {}"), "steps:", strings.Join(lines, "\n")+"\nsteps:", 1)
	}
	many := strings.Repeat("- nonsense: {}\n", 120)
	return [][2]string{
		{"empty file", ""},
		{"comments only", "# a story\n# and no scenario\n"},
		{"null document", "---\n...\n"},
		{"a list", "- a\n"},
		{"a word", "scenario"},
		{"nothing given", "{}"},
		{"other kind", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {}\n"},
		{"newer version", strings.Replace(withSteps("- reboot: {}"), "v1alpha1", "v1beta1", 1)},
		{"two documents", withSteps("- reboot: {}") + "\n---\na: b\n"},
		{"tab", "apiVersion: pinlab/v1alpha1\nmetadata:\n\tname: x\n"},
		{"tab in a list", withSteps("- createPod:\n\t  name: a\n")},
		{"latin-1", withSteps("- deletePod: caf\xe9\n")},
		{"utf-16", "\xff\xfea\x00:\x00"},
		{"control character", withSteps("- deletePod: \x01\n")},
		{"no yaml, bracket", withSteps("- reboot: {\n- reboot: {}\n")},
		{"no yaml, indent", "apiVersion: x\n kind: y\n"},
		{"no yaml, quote", withSteps("- deletePod: \"a\n")},
		{"unknown anchor", withSteps("- deletePod: *a\n")},
		{"alias of itself", "a: &a [*a]\n"},
		{"aliases of aliases", bomb()},
		{"too deep", "a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200)},
		{"too large", strings.Repeat(" ", MaxFileBytes+1)},
		{"unknown tag", steps("- deletePod: !secret a")},
		{"key is a list", steps("- {[a]: b}")},
		{"key is null", steps("- {~: b}")},
		{"merge of a word", steps("- {<<: b}")},
		{"field twice", steps(pod+"- deletePod: {pod: a,", "  pod: a}")},
		{"unknown field at the top", head("proflie: x")},
		{"unknown field far off", head("zzz: x")},
		{"wrong types", head("metadata: [x]", "reconcile: [a]", "holdInit: 7", "violates: x", "devices: {a: b}")},
		{"labels", strings.Replace(withSteps("- reboot: {}"), "{name: test}", "{name: test, labels: {a: [b]}, sources: {a: b}}", 1)},
		{"reconcile mode", head("reconcile: manuel")},
		{"requires", head("requires: {}")},
		{"requires wrong things", head("requires: {cpus: -1, nodes: 2,", "  smt: two}")},
		{"devices", head("devices:", "- {resource: nic, id: a}", "- {resource: v.com/nic}", "- {resource: v.com/nic, id: a, numaNode: -2}", "- {resource: v.com/nic, id: a}", "- {resource: v.com/nic, id: a, numaNode: b}")},
		{"no profile", strings.Replace(withSteps("- reboot: {}"), "profile: p\n", "", 1)},
		{"profile is a mapping", strings.Replace(withSteps("- reboot: {}"), "profile: p", "profile: {sockets: 2}", 1)},
		{"kubelet is a word", head("kubelet: static")},
		{"kubelet number", head("kubelet: {maxPods: .inf}")},
		{"kubelet twice", head("kubelet: {}", "kubeletFile: x.yaml")},
		{"kubelet file", head("kubeletFile: x.yaml")},
		{"kubelet hook", head("kubelet:", "  cpuManagerPolicy: static", "  cpuManagerPolicyOptions: {full: x}", "  topologyManagerPolicy: bad")},
		{"kubelet patch hook", steps("- startKubelet: {}", "- restartKubelet: {config: {maxPods: 1,", "    topologyManagerPolicy: bad}}")},
		{"kubelet patch", steps("- startKubelet: {config: static}", "- startKubelet: {config: [a]}", "- startKubelet: static", "- startKubelet: {conf: {}}")},
		{"violates", head("violates:", "- {}", "- {invariant: no-leek}", "- {invariant: no-leak, steps: [x], since: new, until: 1.2.3.4.5x}", "- {invariant: no-leak, since: 1.37, until: 1.36}", "- {invariant: no-leak, untill: 1.36}")},
		{"violates a step", strings.Replace(steps("- {name: boom, reboot: {}}", "- {name: look, expect: {kubelet: stopped}}"), "steps:", "violates: [{invariant: no-leak, steps: [bom, look]}]\nsteps:", 1)},
		{"no steps", strings.Replace(withSteps(""), "steps:\n", "", 1)},
		{"null steps", withSteps("")},
		{"empty steps", withSteps("  []")},
		{"steps are a mapping", withSteps("  reboot: {}")},
		{"steps of other kinds", steps("- reboot", "- [reboot: {}]", "- {}", "- name: x", "- {reboot: {}, stopKubelet: {}}", "- {name: [a], reboot: {}}", "- null")},
		{"step name twice", steps("- {name: a, reboot: {}}", "- {name: a, reboot: {}}")},
		{"unknown events", steps("- createpod: {}", "- startkublet: {}", "- restart: {}", "- xyz: {}", "- expct: {}")},
		{"arguments of none", steps("- reboot: {now: true}", "- stopKubelet: now")},
		{"too many errors", withSteps(many)},
		{"unknown pod", steps(pod+"- deletePod: b", "- deletePod: aa", "- deletePod: {}", "- deletePod: [a]")},
		{"no pod yet", steps("- deletePod: a", pod)},
		{"pod gone", steps(pod+"- deletePod: a", "- deletePod: a", "- exitContainer: a/app")},
		{"pod twice", steps(pod + pod)},
		{"pod twice, other namespace", steps(pod + "- createPod: {name: a, namespace: other, containers: [{name: app}]}")},
		{"a bad pod hides nothing else", steps("- createPod: {name: a, containers: [{nam: app}]}", "- exitContainer: a/app", "- exitContainer: b/app")},
		{"an unreadable pod is not missed", steps("- createPod: {manifest: {kind: Depl}}", "- exitContainer: a/app", "- expect: {containers: {a/app: {}}}")},
		{"unknown container", steps(two+"- exitContainer: a/ap", "- exitContainer: a", "- crashContainer: app", "- exitContainer: {exitCode: 1}", "- exitContainer: a/", "- clobberCPUSet: {container: a/wib, cpus: 1}")},
		{"exit code", steps(pod+"- exitContainer: {container: a/app, exitCode: 256}", "- exitContainer: {container: a/app, exitCode: -1}", "- exitContainer: {container: a/app, exitCode: 1.5}", "- exitContainer: {container: a/app, exitCode: 99999999999999999999}")},
		{"ephemeral container", steps(pod+"- addEphemeralContainer: {pod: a}", "- addEphemeralContainer: {pod: b, name: debug}", "- addEphemeralContainer: {pod: a, name: app}", "- addEphemeralContainer: {pod: a, name: A_B}", "- addEphemeralContainer: a", "- addEphemeralContainer: {pod: a, name: debug}", "- addEphemeralContainer: {pod: a, name: debug}", "- exitContainer: a/debugg", "- resizePod: {container: a/debug, cpu: 1}", "- addEphemeralContainer: {pod: a, image: busybox}")},
		{"shorthand", steps("- createPod: a", "- createPod: {}", "- createPod: {name: A_B, containers: [{name: app}]}", "- createPod: {name: b, container: [{name: app}]}", "- createPod: {name: c, containers: app}", "- createPod: {name: d, containers: [app, {}]}", "- createPod: {name: e, containers: [{name: app}, {name: app}, {name: a.b}]}", "- createPod: {name: f, replicas: 0, containers: [{name: app}]}", "- createPod: {name: g, replicas: 1001, containers: [{name: app}]}", "- createPod: {name: h, replicas: many, containers: [{name: app}]}", "- createPod: {generateName: i-, containers: [{name: app}]}")},
		{"shorthand resources", steps("- createPod:", "    name: a", "    containers:", "    - {name: app, cpu: two, memory: 1e999999999, cpuRequest: 1x}", "    - {name: b, cpu: 2,", "       cpuLimit: 2,", "       memory: [1]}", "    - {name: c, devices: {nic: 1}, resources: {limit: {cpu: 1}}}", "    - {name: d, restartPolicy: [Always], resources: {limits: {cpu: 2}}, cpu: 1}")},
		{"holdInit", steps("- createPod: {name: a, holdInit: [mesh, setup], initContainers: [{name: init}, {name: mesh, restartPolicy: Always}], containers: [{name: app}]}", "- createPod: {name: b, holdInit: [i], containers: [{name: app}]}", "- createPod: {name: c, holdInit: {a: b}, containers: [{name: app}]}")},
		{"no manifest", steps("- createPod: {manifest}", "- createPod: {manifest: , holdInit: }")},
		{"manifests", steps("- createPod: {manifest: x}", "- createPod: {manifest: {}}", "- createPod: {manifest: {kind: Pods, apiVersion: v1}}", "- createPod: {manifest: {kind: Deployment, apiVersion: extensions/v1beta1}}", "- createPod: {manifest: {kind: Deployment, apiVersion: apps/v1, metadata: {name: a}}}", "- createPod: {manifest: {kind: List, apiVersion: v1}}", "- createPod: {kind: Service, apiVersion: v1}", "- createPod: {manifest: {kind: List, apiVersion: v1, items: [{kind: List}]}}", "- createPod: {manifest: {kind: Pod, apiVersion: v1}, holdinit: true}")},
		{"replicas", steps("- createPod: {manifest: {kind: Deployment, apiVersion: apps/v1, metadata: {name: a}, spec: {replicas: 0, template: {spec: {containers: [{name: a}]}}}}}", "- createPod: {manifest: {kind: Deployment, apiVersion: apps/v1, metadata: {name: a}, spec: {replicas: 2000000000, template: {spec: {containers: [{name: a}]}}}}}", "- createPod: {manifest: {kind: Deployment, apiVersion: apps/v1, spec: {template: {spec: {containers: [{name: a}]}}}}}", "- createPod: {manifest: {kind: StatefulSet, apiVersion: apps/v1, metadata: {name: a}, spec: {ordinals: {start: -1}, template: {spec: {containers: [{name: a}]}}}}}")},
		{"pod spec", steps("- createPod:", "    manifest:", "      apiVersion: v1", "      kind: Pod", "      metadata:", "        name: a", "        labels: {a: 1}", "        creationTimestamp: yesterday", "      spec:", "        containers:", "        - name: app", "          resources:", "            limits: {cpu: 2x}", "            request: {cpu: 2}", "          ports: [{containerPort: http, hostPort: 1.5}]", "          stdin: maybe", "          env: {A: b}", "        - name: 5", "        nodeSelektor: {}", "        hostNetwork: yes")},
		{"pod hook", steps("- createPod:", "    name: a", "    containers:", "    - {name: app,", "       resources: {requests: {cpu: 1}}}", "    - {name: bad}")},
		{"pod hook, template", steps("- createPod:", "    manifest:", "      apiVersion: apps/v1", "      kind: Deployment", "      metadata: {name: a}", "      spec:", "        template:", "          spec:", "            containers:", "            - {name: app,", "               resources: {requests: {cpu: 1}}}", "            - {name: bad}")},
		{"pod file", steps("- createPod: {file: x.yaml}", "- createPod: {file: ../x.yaml}", "- createPod: {file: [a]}", "- createPod: {file: }")},
		{"state files", steps("- deleteStateFile: cpu_manger_state", "- deleteStateFile: [cpu]", "- writeStateFile: {file: disk}", "- writeStateFile: cpu", "- writeStateFile: {content: a, checkpoint: {version: v2}}", "- writeStateFile: {file: memory, checkpoint: {version: v2}}", "- writeStateFile: {checkpoint: {version: v5, checksum: bad, sharedPool: 0-x, entries: {a: 1}}}", "- writeStateFile: {checkpoint: {policyName: static}}", "- writeStateFile: {checkpoint: {version: v5, checksum: bad}}", "- writeStateFile: [a]", "- editStateFile: {}", "- editStateFile: {truncate: -1}", "- editStateFile: {truncate: 1.5, set: [a]}")},
		{"CPU lists", steps("- offlineCPUs: 0-x", "- offlineCPUs: 3-1", "- onlineCPUs: 0-99999999", "- onlineCPUs: {}", "- onlineCPUs: \"\"", "- offlineCPUs: [1]", "- addCPUs: {cpus: a}", "- addCPUs: {like: -1}", "- addCPUs: 3", "- offlineCPUs: 1..3")},
		{"machine", steps("- swapProfile: {}", "- swapProfile: unknown-machine", "- moveMemory: {}", "- moveMemory: {from: 1, to: 1, bytes: 1Gx}", "- moveMemory: {from: 1, to: -1, bytes: -5}", "- moveMemory: 5")},
		{"clock", steps("- reconcile: 0", "- reconcile: often", "- reconcile: 10001", "- advance: 10", "- advance: -5s", "- advance: 25h", "- advance: {}", "- advance: soon")},
		{"faults", steps(pod+"- failRuntimeUpdate: {}", "- failRuntimeUpdate: {container: a/ap, error: x, times: -1}", "- failCheckpointWrite: ENOSPACE", "- failCheckpointWrite: {}", "- killAtCheckpointWrite: {nth: 0, when: during}", "- limitOpenFiles: {}", "- limitOpenFiles: -1", "- limitOpenFiles: all", "- exhaust: {}", "- exhaust: fs.inotify.max_queued_events", "- exhaust: {sysctl: fs.file-max, free: -1}", "- clobberCPUSet: {}", "- clobberCPUSet: {container: a/app, cpus: shared}")},
		{"commas between braces", steps("- expect: {sharedPool: 0,2-4}")},
		{"expect", steps(pod+"- expect: {}", "- expect: [a]", "- expect: {kubelet: runing, sharedpool: 1}", "- expect: {pods: {b: {}, a: {admited: true, qos: guaranteed}}}", "- expect: {containers: {a/ap: {}, a: {}, b/app: {}}}", "- expect: {pods: [a], containers: a/app}")},
		{"expect a container", steps(pod+"- expect:", "    containers:", "      a/app:", "        state: runing", "        cpus: shraed", "        actual: 0-", "        count: -1", "        numaNodes: [a]", "        wholeCores: 1", "        qos: Best", "        mems: x", "        exclusiv: true")},
		{"expect a checkpoint", steps(pod + "- expect: {checkpoint: {exist: true, sharedPool: a, entries: {a/app: b}}, violations: [aligned, alined], sharedPool: x}")},
		{"cel", steps(pod+"- expect:", "    cel:", "    - sharedPol == '0-3'", "    - kubelet == 1", "    - count(sharedPool)", "    - 'kubelet =='", "    - cpus(1) == [1]", "    - container.exists(c, subset(c, online, 3))", "    - [a]")},
		{"several in their order", "kind: Scenari\nmetadata: {nam: x}\nsteps:\n- startKubelt: {}\n- deletePod: x\napiVersion: 2\n"},
	}
}

// bomb is a file whose aliases stand for a thousand million values.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	return b.String()
}

// strictHooks object to the words "bad" and "unknown-machine".
func strictHooks() Loader {
	return Loader{
		Kubelet: func(config []byte) error {
			if strings.Contains(string(config), `"bad"`) {
				return errors.Join(errors.New("invalid configuration: topologyManagerPolicy (--topology-manager-policy) must be one of\n [none]"), errors.New("something else"))
			}
			return nil
		},
		Pod: func(p *corev1.Pod) error {
			var list field.ErrorList
			for i, c := range p.Spec.Containers {
				at := field.NewPath("spec", "containers").Index(i)
				if c.Name == "bad" {
					list = append(list, field.Invalid(at.Child("name"), c.Name, "is bad"), field.Required(at.Child("image", "x"), "must be"))
				}
				if _, ok := c.Resources.Requests["cpu"]; ok {
					list = append(list, field.Invalid(at.Child("resources", "requests"), "1", "must be less"))
				}
			}
			return list.ToAggregate()
		},
		Profile: func(name string) error {
			if name == "unknown-machine" {
				return errors.New(`unknown profile "unknown-machine"`)
			}
			return nil
		},
	}
}

func TestBadInputs(t *testing.T) {
	var b strings.Builder
	seen := map[string]bool{}
	for _, in := range badInputs() {
		g := gomega.NewWithT(t)
		g.Expect(seen[in[0]]).To(gomega.BeFalse(), in[0])
		seen[in[0]] = true
		s, err := strictHooks().Parse([]byte(in[1]), "x.yaml")
		g.Expect(err).To(gomega.HaveOccurred(), in[0])
		g.Expect(s).To(gomega.BeNil(), in[0])
		fmt.Fprintf(&b, "== %s\n%v\n\n", in[0], err)
	}
	golden(t, "bad.golden", b.String())
}
