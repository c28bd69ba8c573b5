package scenarios

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/sim/observe"
)

// maxCELCost bounds what one expression may compute, to about a second. Looking
// at every pair of five hundred containers stays below it.
const maxCELCost = 5_000_000

// celEnv compiles expressions over an observation.
type celEnv struct {
	env *cel.Env
	// programs are those compiled, by their text: scenarios repeat themselves.
	programs map[string]*celProgram
}

// celProgram is a compiled expression.
type celProgram struct {
	cel.Program
	// countsLog says that it asks how many lines were logged.
	countsLog bool
}

// maxPrograms bounds the different expressions of one file; a program takes
// some ten kilobytes.
const maxPrograms = 10_000

// once compiles an expression unless it has been.
func (c *celEnv) once(expr string) (*celProgram, []string) {
	if program, ok := c.programs[expr]; ok {
		return program, nil
	}
	if len(c.programs) == maxPrograms {
		return nil, []string{fmt.Sprintf("more than %d different expressions in one file", maxPrograms)}
	}
	program, troubles := c.compile(expr)
	if len(troubles) == 0 {
		c.programs[expr] = program
	}
	return program, troubles
}

// celNames are what an expression may use beside CEL's own functions.
func celNames() []string {
	return []string{
		"kubelet", "kubeletError", "config", "online", "reserved", "sharedPool", "containers", "container", "pods",
		"admissions", "stale", "checkpoint", "violations", "log", "profile", "resizes", "metrics", "podResources", "cpuMax",
		"cpus", "count", "overlaps", "subset", "union", "minus", "size",
	}
}

func newCELEnv() (*celEnv, error) {
	text, object := cel.StringType, cel.MapType(cel.StringType, cel.DynType)
	pair := []*cel.Type{text, text}
	opts := []cel.EnvOption{
		cel.Variable("kubelet", text),
		cel.Variable("kubeletError", text),
		cel.Variable("config", object),
		cel.Variable("online", text),
		cel.Variable("reserved", text),
		cel.Variable("sharedPool", text),
		cel.Variable("containers", cel.ListType(object)),
		cel.Variable("container", cel.MapType(text, object)),
		cel.Variable("pods", cel.MapType(text, object)),
		cel.Variable("admissions", cel.ListType(object)),
		cel.Variable("stale", cel.ListType(object)),
		cel.Variable("checkpoint", object),
		cel.Variable("violations", cel.ListType(text)),
		cel.Variable("log", cel.ListType(text)),
		cel.Variable("profile", object),
		cel.Variable("resizes", cel.ListType(object)),
		cel.Variable("metrics", object),
		cel.Variable("podResources", cel.MapType(text, object)),
		cel.Variable("cpuMax", cel.MapType(text, text)),
		cel.Function("cpus", cel.Overload("cpus_string", []*cel.Type{text}, cel.ListType(cel.IntType), cel.UnaryBinding(
			onSet(func(s cpuset.CPUSet) ref.Val { return types.DefaultTypeAdapter.NativeToValue(s.List()) })))),
		cel.Function("count", cel.Overload("count_string", []*cel.Type{text}, cel.IntType, cel.UnaryBinding(
			onSet(func(s cpuset.CPUSet) ref.Val { return types.Int(s.Size()) })))),
		cel.Function("overlaps", cel.Overload("overlaps_string", pair, cel.BoolType, cel.BinaryBinding(
			onSets(func(a, b cpuset.CPUSet) ref.Val { return types.Bool(!a.Intersection(b).IsEmpty()) })))),
		cel.Function("subset", cel.Overload("subset_string", pair, cel.BoolType, cel.BinaryBinding(
			onSets(func(a, b cpuset.CPUSet) ref.Val { return types.Bool(a.IsSubsetOf(b)) })))),
		cel.Function("union", cel.Overload("union_string", pair, text, cel.BinaryBinding(
			onSets(func(a, b cpuset.CPUSet) ref.Val { return types.String(a.Union(b).String()) })))),
		cel.Function("minus", cel.Overload("minus_string", pair, text, cel.BinaryBinding(
			onSets(func(a, b cpuset.CPUSet) ref.Val { return types.String(a.Difference(b).String()) })))),
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return nil, err
	}
	return &celEnv{env, map[string]*celProgram{}}, nil
}

// onSet gives a CEL function of a CPU list the set it stands for.
func onSet(f func(cpuset.CPUSet) ref.Val) func(ref.Val) ref.Val {
	return func(v ref.Val) ref.Val {
		set, err := celSet(v)
		if err != nil {
			return types.WrapErr(err)
		}
		return f(set)
	}
}

func onSets(f func(a, b cpuset.CPUSet) ref.Val) func(a, b ref.Val) ref.Val {
	return func(a, b ref.Val) ref.Val {
		setA, errA := celSet(a)
		setB, errB := celSet(b)
		if err := errors.Join(errA, errB); err != nil {
			return types.WrapErr(err)
		}
		return f(setA, setB)
	}
}

func celSet(v ref.Val) (cpuset.CPUSet, error) {
	text, ok := v.Value().(string)
	if !ok {
		return cpuset.New(), fmt.Errorf("want a CPU list, got %s", v.Type().TypeName())
	}
	return observe.ParseSet(text)
}

// compile checks an expression and says what is wrong with it.
func (c *celEnv) compile(expr string) (*celProgram, []string) {
	compiled, issues := c.env.Compile(expr)
	if issues != nil && issues.Err() != nil {
		var troubles []string
		for _, e := range issues.Errors() {
			troubles = append(troubles, explainCEL(e.Message)+fmt.Sprintf(" (column %d)", e.Location.Column()+1))
		}
		return nil, troubles
	}
	if t := compiled.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, []string{fmt.Sprintf("gives %s; want true or false", t)}
	}
	program, err := c.env.Program(compiled, cel.CostLimit(maxCELCost), cel.InterruptCheckFrequency(1000))
	if err != nil {
		return nil, []string{oneLine(err.Error())}
	}
	return &celProgram{program, countsLog(compiled)}, nil
}

// countsLog finds a size taken of the log, or of what was made of it.
func countsLog(compiled *cel.Ast) bool {
	isLog := func(e ast.NavigableExpr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == "log" }
	for _, size := range ast.MatchDescendants(ast.NavigateAST(compiled.NativeRep()), ast.FunctionMatcher("size")) {
		if len(ast.MatchDescendants(size, isLog)) > 0 {
			return true
		}
	}
	return false
}

// explainCEL adds the nearest name to CEL's complaint about an unknown one.
func explainCEL(message string) string {
	message = oneLine(message)
	if before, _, ok := strings.Cut(message, " expecting {"); ok {
		return before // the list of all tokens helps nobody
	}
	m := regexp.MustCompile(`^undeclared reference to '([^']*)'`).FindStringSubmatch(message)
	if m == nil {
		return message
	}
	near := ""
	if n, _ := nearest(m[1], celNames()); n != "" {
		near = fmt.Sprintf("; did you mean %q?", n)
	}
	return "unknown name " + quote(m[1]) + near
}

// explainNoKey adds the nearest name to CEL's complaint about a pod or container
// that is not there.
func explainNoKey(message string, vars map[string]any) string {
	key, ok := strings.CutPrefix(message, "no such key: ")
	if !ok {
		return message
	}
	for _, variable := range []string{"container", "pods"} {
		if names, ok := vars[variable].(map[string]any); ok {
			if near, _ := nearest(key, keys(names)); near != "" && near != key {
				return fmt.Sprintf("%s; did you mean %q?", message, near)
			}
		}
	}
	return message
}

// eval runs the expression; the answer is empty when it is true.
func (x *CELExpr) eval(ctx context.Context, vars func() map[string]any) string {
	if x.program == nil {
		env, err := newCELEnv()
		if err != nil {
			return oneLine(err.Error())
		}
		program, troubles := env.compile(x.Expr)
		if len(troubles) > 0 {
			return troubles[0]
		}
		x.program = program
	}
	out, _, err := x.program.ContextEval(ctx, vars())
	if err != nil {
		return explainNoKey(oneLine(err.Error()), vars())
	}
	if out != types.True {
		return fmt.Sprintf("is %v, want true", out.Value())
	}
	return ""
}
