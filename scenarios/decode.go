package scenarios

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pinlab/pinlab/sim/observe"
)

// decoder reads nodes into Go values by their json tags, strictly: every
// unknown field and every wrong type becomes a problem with its line. The
// decoders of encoding/json and sigs.k8s.io/json are as strict, but know no
// lines and stop at the first wrong type.
type decoder struct {
	file     string
	problems *problems
	tables   map[reflect.Type]map[string][]int
	// own marks the scenario format's own types, which are kinder than the
	// API's: a number may stand where a text is wanted, and one value for a
	// list of one.
	own bool
}

func (d *decoder) errorf(line int, format string, args ...any) {
	d.problems.add(d.file, line, format, args...)
}

// into decodes a node; at is its place for messages.
func (d *decoder) into(n *node, v any, at string) {
	d.decode(n, reflect.ValueOf(v).Elem(), &place{name: at})
}

// place is where a value stands, kept as a chain because it is seldom wanted.
type place struct {
	parent *place
	name   string
	index  int // when name is empty
}

func (p *place) field(name string) *place { return &place{parent: p, name: name} }
func (p *place) item(i int) *place        { return &place{parent: p, index: i} }

func (p *place) String() string {
	switch {
	case p == nil:
		return ""
	case p.parent == nil:
		return p.name
	case p.name == "":
		return p.parent.String() + "[" + strconv.Itoa(p.index) + "]"
	case p.parent.String() == "":
		return p.name
	}
	return p.parent.String() + "." + p.name
}

// of is " in PLACE", or nothing at the top.
func (p *place) in() string {
	if s := p.String(); s != "" {
		return " in " + s
	}
	return ""
}

func (d *decoder) wrong(n *node, at *place, want string) {
	if s := at.String(); s != "" {
		d.errorf(n.line, "%s: want %s, got %s", s, want, n.says())
		return
	}
	d.errorf(n.line, "want %s, got %s", want, n.says())
}

// decode reads n into v. A null leaves v as it is, as in every Kubernetes API.
func (d *decoder) decode(n *node, v reflect.Value, at *place) {
	if n.isNull() {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.decode(n, v.Elem(), at)
		return
	}
	if d.special(n, v, at) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, at)
	case reflect.Map:
		d.mapping(n, v, at)
	case reflect.Slice:
		d.list(n, v, at)
	case reflect.String:
		if n.kind != scalar || (n.tag != strTag && !d.own) {
			want := "a text"
			if n.kind == scalar {
				want = "a text (put it in quotes)"
			}
			d.wrong(n, at, want)
			return
		}
		d.printable(n.line, n.value, at)
		v.SetString(n.value)
	case reflect.Bool:
		if b, ok := n.boolean(); ok {
			v.SetBool(b)
			return
		}
		d.wrong(n, at, "true or false")
	case reflect.Int, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(n.digits(), 0, v.Type().Bits())
		if n.kind != scalar || n.tag != intTag || err != nil {
			d.wrong(n, at, "a whole number")
			return
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		u, err := strconv.ParseUint(n.digits(), 0, v.Type().Bits())
		if n.kind != scalar || n.tag != intTag || err != nil {
			d.wrong(n, at, "a whole number of 0 or more")
			return
		}
		v.SetUint(u)
	case reflect.Float64:
		f, err := strconv.ParseFloat(n.digits(), 64)
		if n.kind != scalar || (n.tag != intTag && n.tag != floatTag) || err != nil {
			d.wrong(n, at, "a number")
			return
		}
		v.SetFloat(f)
	default:
		d.errorf(n.line, "%s: cannot be given in a file", at)
	}
}

// printable refuses control characters in the texts of the scenario format:
// names, labels and errors end up on a terminal. What is written into a state
// file may be anything, and manifests have their own rules.
func (d *decoder) printable(line int, text string, at *place) {
	i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
	if i < 0 || !d.own {
		return
	}
	switch at.String() {
	case "writeStateFile.content", "editStateFile.append":
		return
	}
	r, _ := utf8.DecodeRuneInString(text[i:])
	d.errorf(line, "%s: control character %U in %s; want text that can be shown", at, r, quote(text))
}

// special reads the types that have a text form of their own.
func (d *decoder) special(n *node, v reflect.Value, at *place) bool {
	switch p := v.Addr().Interface().(type) {
	case *observe.CPUs:
		d.cpus(n, p, at)
	case *time.Duration:
		d.duration(n, p, at)
	case *metav1.Duration:
		d.duration(n, &p.Duration, at)
	case *resource.Quantity:
		d.quantity(n, p, at)
	case *cpuSize:
		d.cpuSize(n, p, at)
	case *Amount:
		d.amount(n, p, at)
	case *StateFile:
		*p = d.stateFile(n, at)
	case *CELExpr:
		if n.kind != scalar {
			d.wrong(n, at, "a CEL expression")
			return true
		}
		*p = CELExpr{Expr: n.value, Line: n.line}
	case *rawNode:
		p.node = n
	case *json.RawMessage:
		*p = d.json(n, at)
	case json.Unmarshaler:
		// IntOrString, Time, FieldsV1 and the like.
		if err := p.UnmarshalJSON(d.json(n, at)); err != nil {
			d.errorf(n.line, "%s: %s", at, oneLine(err.Error()))
		}
	default:
		return false
	}
	return true
}

func (d *decoder) structure(n *node, v reflect.Value, at *place) {
	if n.kind != mapping {
		d.wrong(n, at, "a mapping")
		return
	}
	table := d.table(v.Type())
	for _, f := range n.fields {
		if d.problems.full() {
			d.problems.more++
			return
		}
		index, ok := table[f.key]
		if !ok {
			d.unknownField(f, at, slices.Collect(maps.Keys(table)))
			continue
		}
		d.decode(f.value, v.FieldByIndex(index), at.field(f.key))
	}
	if line, ok := v.Type().FieldByName("Line"); ok && line.Tag.Get("json") == "-" {
		v.FieldByIndex(line.Index).SetInt(int64(n.line))
	}
}

func (d *decoder) unknownField(f member, at *place, valid []string) {
	// In {cpus: 0,2-3} the comma ends the value.
	if f.value.isNull() && f.value.value == "" && regexp.MustCompile(`^\d+(-\d+)?$`).MatchString(f.key) {
		d.errorf(f.line, "unknown field %s%s; a CPU list with commas needs quotes between braces", quote(f.key), at.in())
		return
	}
	d.errorf(f.line, "unknown field %s%s%s", quote(f.key), at.in(), didYouMean(f.key, slices.Sorted(slices.Values(valid))))
}

// table maps a struct's keys to its fields, those of inlined structs included.
func (d *decoder) table(t reflect.Type) map[string][]int {
	if table, ok := d.tables[t]; ok {
		return table
	}
	table := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && f.IsExported() {
			table[name] = f.Index
		}
	}
	if d.tables == nil {
		d.tables = map[reflect.Type]map[string][]int{}
	}
	d.tables[t] = table
	return table
}

func (d *decoder) mapping(n *node, v reflect.Value, at *place) {
	if n.kind != mapping {
		d.wrong(n, at, "a mapping")
		return
	}
	t := v.Type()
	v.Set(reflect.MakeMapWithSize(t, len(n.fields)))
	for _, f := range n.fields {
		if d.problems.full() {
			d.problems.more++
			return
		}
		d.printable(f.line, f.key, at)
		value := reflect.New(t.Elem()).Elem()
		d.decode(f.value, value, at.field(f.key))
		v.SetMapIndex(reflect.ValueOf(f.key).Convert(t.Key()), value)
	}
}

func (d *decoder) list(n *node, v reflect.Value, at *place) {
	items := n.items
	switch {
	case v.Type().Elem().Kind() == reflect.Uint8:
		d.errorf(n.line, "%s: cannot be given in a file", at)
		return
	case d.own && n.kind == scalar:
		items = []*node{n}
	case n.kind != sequence:
		d.wrong(n, at, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		if d.problems.full() {
			d.problems.more++
			return
		}
		d.decode(item, v.Index(i), at.item(i))
	}
}

// raw returns the text of any scalar, as it is written.
func (d *decoder) raw(n *node, at *place, want string) (string, bool) {
	if n.kind != scalar {
		d.wrong(n, at, want)
		return "", false
	}
	return n.value, true
}

func (d *decoder) cpus(n *node, into *observe.CPUs, at *place) {
	text, ok := d.raw(n, at, `a CPU list like "0-3,8"`)
	if !ok {
		return
	}
	cpus, err := observe.ParseCPUs(text)
	if err != nil {
		d.errorf(n.line, "%s: bad CPU list %s: %s", at, quote(text), cpuListTrouble(err))
		return
	}
	*into = cpus
}

// cpuListTrouble is the cause alone, without the list it is about.
func cpuListTrouble(err error) string {
	text := oneLine(err.Error())
	if m := regexp.MustCompile(`^CPU list "(?:[^"\\]|\\.)*": `).FindString(text); m != "" {
		text = text[len(m):]
	}
	if m := regexp.MustCompile(`^strconv\.\w+: parsing ("(?:[^"\\]|\\.)*"): `).FindStringSubmatch(text); m != nil {
		return m[1] + " is not a number"
	}
	return text
}

func (d *decoder) duration(n *node, into *time.Duration, at *place) {
	text, ok := d.raw(n, at, `a duration like "10s"`)
	if !ok {
		return
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		d.errorf(n.line, "%s: bad duration %s; want a number with its unit, like 10s or 1m30s", at, quote(text))
		return
	}
	*into = duration
}

// quantityForm bounds what is handed to the quantity parser: an exponent of
// nine digits would make it compute for ever.
func quantityForm(text string) bool {
	exponent := strings.TrimLeft(text[strings.LastIndexAny(text, "eE")+1:], "+-")
	return len(text) <= 40 && (len(exponent) < 3 || !strings.ContainsAny(text, "eE"))
}

func (d *decoder) quantity(n *node, into *resource.Quantity, at *place) {
	text, ok := d.raw(n, at, "a quantity like 2, 500m or 1Gi")
	if !ok {
		return
	}
	if quantityForm(text) {
		if q, err := resource.ParseQuantity(text); err == nil {
			*into = q
			return
		}
	}
	d.errorf(n.line, "%s: bad quantity %s; want a number like 2, 500m or 1Gi", at, quote(text))
}

// stateFile reads a state file's name or its short form.
func (d *decoder) stateFile(n *node, at *place) StateFile {
	text, ok := d.raw(n, at, "the name of a state file")
	if !ok {
		return ""
	}
	switch text {
	case "cpu", string(CPUState):
		return CPUState
	case "memory", string(MemoryState):
		return MemoryState
	}
	d.errorf(n.line, "%s: %s", at, unknown("state file", text, []string{"cpu", "memory", string(CPUState), string(MemoryState)}))
	return ""
}

// boolean reads true and false, and the words that YAML 1.1 took for them:
// kubectl still does.
func (n *node) boolean() (value, ok bool) {
	if n.kind != scalar || !n.plain {
		return false, false
	}
	switch strings.ToLower(n.value) {
	case "true", "yes", "on":
		return true, true
	case "false", "no", "off":
		return false, true
	}
	return false, false
}

// digits is a number without the underscores YAML allows.
func (n *node) digits() string { return strings.ReplaceAll(n.value, "_", "") }

// oneLine folds the text of others into one line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
