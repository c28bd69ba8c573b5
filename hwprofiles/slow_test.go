package hwprofiles
import ("testing";"time";"fmt";"strings")
func TestSlow(t *testing.T){
 for _,s:=range []string{"name: a\nshape: sockets=64 nodes=256 cores=64 l3=1\ncpus:\n  siblings: [0-4095]\n  offline: 1-4095\n","name: a\nshape: sockets=4096 nodes=256 cores=1\nnodes:\n- {id: 256-500}\n", "name: a\nshape: sockets=1 nodes=1 cores=64 threads=64\ncpus:\n  siblings: ["+strings.Repeat("\"0-4095\",",1)+"]\n", "name: a\nshape: sockets=1 nodes=1 cores=64 threads=64\ncpus: {offline: 1-4095}\n"} {
  t0:=time.Now(); p,err:=Parse([]byte(s),"x"); fmt.Println(time.Since(t0),err)
  if err==nil{ t0=time.Now(); _,err=p.MachineInfo(); fmt.Println(" mi",time.Since(t0),err); t0=time.Now(); _,err=p.MarshalProfile(); fmt.Println(" marshal",time.Since(t0),err)}
 }
}
