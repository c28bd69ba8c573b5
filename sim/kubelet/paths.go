package kubelet

import (
	"regexp"
	"runtime"
	"strings"
	"sync"
)

// Paths finds where in upstream's code a log line comes from, by the stack of the
// call that logs it. Upstream logs every write of its state where it does it, and every
// error where it is raised. Other lines are not looked at. It serves any number of
// lifetimes: a stack is made readable once.
type Paths struct {
	mu      sync.Mutex
	byStack map[stack]*codePath
	// writes says of a message that is no error whether the state stores log it.
	writes map[string]bool
}

// NewPaths makes an empty Paths.
func NewPaths() *Paths {
	return &Paths{byStack: map[stack]*codePath{}, writes: map[string]bool{}}
}

// stack are the innermost return addresses of a goroutine, as many as it takes from a
// state store up to the manager: each costs time.
type stack [9]uintptr

// codePath is a stack as functions.
type codePath struct {
	// functions are those of the managers above their state stores; for an error that
	// a store raises the store's own come first.
	functions []string
	// write says that a manager changed its state. What it reads back at a start is no
	// change, nor what it notes of the containers that it has updated.
	write bool
	// store says that a state store logged it.
	store bool
}

// maxStacks bounds the stacks that are remembered; upstream has a few hundred.
const maxStacks = 4096

// of is the path of the line that is being logged, or nil. skip are the frames between
// the caller and upstream's call of the logger.
func (p *Paths) of(msg string, isError bool, skip int) *codePath {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !isError {
		if write, seen := p.writes[msg]; seen && !write {
			return nil
		}
	}
	var s stack
	runtime.Callers(skip+2, s[:])
	path := p.byStack[s]
	if path == nil {
		path = newCodePath(s, isError)
		if len(p.byStack) >= maxStacks {
			clear(p.byStack)
		}
		p.byStack[s] = path
	}
	if _, seen := p.writes[msg]; !isError && !seen {
		p.writes[msg] = path.store
	}
	if !isError && !path.write {
		return nil
	}
	return path
}

// Where upstream's managers are, and their state stores below it.
const (
	managersPrefix = "k8s.io/kubernetes/pkg/kubelet/cm/"
	storeSuffix    = "/state"
)

func newCodePath(s stack, isError bool) *codePath {
	n := 0
	for n < len(s) && s[n] != 0 {
		n++
	}
	path := &codePath{}
	kept, restored := false, false
	frames := runtime.CallersFrames(s[:n])
	for more := n > 0; more; {
		var f runtime.Frame
		f, more = frames.Next()
		name, ok := ManagerFunction(f.Function)
		if !ok {
			continue
		}
		if pkg, function, _ := strings.Cut(name, "."); strings.HasSuffix(pkg, storeSuffix) {
			path.store = true
			kept = kept || strings.HasPrefix(function, "(*stateCheckpoint).")
			restored = restored || function == "NewCheckpointState"
			if !isError {
				continue
			}
		}
		if last := len(path.functions) - 1; last < 0 || path.functions[last] != name {
			path.functions = append(path.functions, name)
		}
	}
	path.write = kept && !restored && !isError
	return path
}

// closure is what the compiler appends to the name of a function within a function.
var closure = regexp.MustCompile(`(\.func[0-9]+|\.[0-9]+|\.gowrap[0-9]+)+$|\[\.\.\.\]`)

// ManagerFunction is the short name of a function of upstream's managers:
// "cpumanager.(*staticPolicy).allocateForAdd".
func ManagerFunction(name string) (string, bool) {
	name, ok := strings.CutPrefix(name, managersPrefix)
	if !ok {
		return "", false
	}
	return closure.ReplaceAllString(name, ""), true
}
