package scenarios
import ("testing";"strings";"time";"fmt";"os";"runtime")
func TestBig(t *testing.T){
 if os.Getenv("BIG")=="" { t.Skip() }
 n := MaxFileBytes-2000
 rep := func(s string) string { return strings.Repeat(s, n/len(s)) }
 seq := func(f string) string { var b strings.Builder; for i:=0; b.Len()<n; i++ { fmt.Fprintf(&b,f,i)}; return b.String() }
 for _, c := range [][2]string{
  {"open brackets", rep("[")}, {"open braces", rep("{")}, {"question marks", rep("? ")}, {"dashes", rep("- ")}, {"steps words", withSteps(rep("- a\n"))},
  {"unknown fields", seq("k%d: v\n")}, {"same fields", rep("k: v\n")}, {"unknown events", withSteps(seq("- ev%d: {}\n"))},
  {"expect containers", withSteps("- createPod: {name: a, containers: [{name: app}]}\n- expect:\n    containers:\n"+seq("      a/c%d: {}\n"))},
  {"unknown container fields", withSteps("- createPod: {name: a, containers: [{name: app}]}\n- expect:\n    containers:\n"+seq("      a/app%d: {exclusiv: 1}\n"))},
  {"comments", rep("# c\n")}, {"comments between", withSteps(rep("# c\n- reboot:\n"))}, {"quotes", rep("\"a\" ")}, {"pods", withSteps(seq("- createPod: {name: p%d, containers: [{name: app}]}\n"))},
  {"del", withSteps(seq("- deletePod: p%d\n"))}, {"many replicas", withSteps(seq("- createPod: {name: p%d, replicas: 1000, containers: [{name: app}]}\n"))},
  {"containers", withSteps("- createPod:\n    name: a\n    containers:\n"+seq("    - {name: c%d}\n"))},
  {"dup containers", withSteps("- createPod:\n    name: a\n    containers:\n"+rep("    - {name: c}\n"))},
  {"anchors", seq("a%d: &a%[1]d x\n")}, {"flow list", withSteps("["+rep("{},")+"]")}, {"cel", withSteps("- expect: {cel: '"+rep("1+")+"1==1'}\n")},
  {"cel list", withSteps("- expect:\n    cel:\n"+seq("    - kubelet == \"%d\"\n"))},
  {"labels", withSteps("- createPod:\n    name: a\n    labels:\n"+seq("      l%d: x\n"))}, {"docs", rep("---\n")}, {"names", withSteps(seq("- {name: n%d, reboot: }\n"))},
  {"cpus", withSteps("- offlineCPUs: \""+rep("0,")+"0\"\n")}, {"kubelet", strings.Replace(withSteps("- startKubelet: {config: {a: 1}}\n"),"steps:","kubelet:\n"+seq("  k%d: 1\n")+"steps:",1)},
  {"kubelet patches", withSteps(seq("- restartKubelet: {config: {k%d: 1}}\n"))},
 }{
  start := time.Now(); _, err := strictHooks().Parse([]byte(c[1]), "x"); took := time.Since(start)
  var m runtime.MemStats; runtime.ReadMemStats(&m)
  first := ""; if err != nil { first = strings.SplitN(err.Error(),"\n",2)[0]; if len(first)>150 {first=first[:150]} }
  fmt.Printf("%-26s %6.2fs heap %4d MB sys %d MB %s\n", c[0], took.Seconds(), m.HeapAlloc>>20, m.Sys>>20, first)
 }
}
