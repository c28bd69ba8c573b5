package verify

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// units are where systemd looks for units, the first wins.
var units = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// envFiles are the files, and their variables, with which kubeadm and the
// packages of Kubernetes give flags to the kubelet.
var envFiles = []struct{ name, variable string }{
	{"/var/lib/kubelet/kubeadm-flags.env", "KUBELET_KUBEADM_ARGS"},
	{"/etc/default/kubelet", "KUBELET_EXTRA_ARGS"},
	{"/etc/sysconfig/kubelet", "KUBELET_EXTRA_ARGS"},
}

// errNoFlags says that nothing on the node tells how its kubelet is started.
var errNoFlags = errors.New("no kubelet runs, and neither a systemd unit nor a file of kubeadm tells the flags it is started with")

// stopped finds how a kubelet that does not run is started: by its systemd unit,
// else with the files that kubeadm's unit reads.
func stopped(root files) launch {
	l := launch{root: root, cwd: "/", flags: map[string]string{}}
	args, err := unitArgs(root)
	if errors.Is(err, errNoFlags) {
		args, err = fileArgs(root)
	}
	if err != nil {
		l.unread = err
		return l
	}
	l.flags = parseFlags(args)
	return l
}

// fileArgs reads the files of kubeadm without its unit, which gives the
// configuration's file.
func fileArgs(root files) ([]string, error) {
	args, found := []string{"--config=" + defaultConfig}, false
	for _, f := range envFiles {
		env := map[string]string{}
		err := readEnv(root, f.name, env)
		switch {
		case missing(err):
			continue
		case err != nil:
			return nil, err
		}
		found = true
		args = append(args, words(env[f.variable])...)
	}
	if !found {
		return nil, errNoFlags
	}
	return args, nil
}

// unitArgs reads the arguments that kubelet.service, with its drop-ins, gives to
// the kubelet.
func unitArgs(root files) ([]string, error) {
	var names []string
	for _, dir := range units {
		if _, err := root.Resolve(dir + "/kubelet.service"); err == nil {
			names = append(names, dir+"/kubelet.service")
			break
		}
	}
	if len(names) == 0 {
		return nil, errNoFlags
	}
	dropIns := map[string]string{}
	for _, dir := range slices.Backward(units) { // the first wins
		entries, err := root.List(dir + "/kubelet.service.d")
		if err != nil && !missing(err) {
			return nil, fmt.Errorf("%s/kubelet.service.d: %w", dir, err)
		}
		for _, e := range entries {
			if path.Ext(e.Name()) == ".conf" {
				dropIns[e.Name()] = dir + "/kubelet.service.d/" + e.Name()
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(dropIns)) {
		names = append(names, dropIns[name])
	}
	command, plain, fromFiles := "", map[string]string{}, []string{}
	for _, name := range names {
		data, err := root.Read(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for line := range strings.Lines(strings.ReplaceAll(string(data), "\\\n", " ")) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			value = strings.TrimSpace(value)
			switch strings.TrimSpace(key) {
			case "ExecStart":
				command = value // of several, and of none, the last counts
			case "Environment":
				if value == "" {
					clear(plain)
				}
				for _, word := range words(value) {
					if variable, text, ok := strings.Cut(word, "="); ok {
						plain[variable] = text
					}
				}
			case "EnvironmentFile":
				if value == "" {
					fromFiles = nil
				} else {
					fromFiles = append(fromFiles, value)
				}
			}
		}
	}
	for _, name := range fromFiles {
		name, optional := strings.CutPrefix(name, "-")
		if err := readEnv(root, name, plain); err != nil && !(optional && missing(err)) {
			return nil, err
		}
	}
	args := expand(command, plain)
	if len(args) == 0 || path.Base(strings.TrimLeft(args[0], "-@:+!")) != "kubelet" {
		return nil, fmt.Errorf("%s: its ExecStart is not the kubelet's command line", names[0])
	}
	return args[1:], nil
}

// expand makes the arguments of a command as systemd does: $NAME as a word of its
// own becomes the words of the variable, ${NAME} its text.
func expand(command string, env map[string]string) []string {
	var out []string
	for _, word := range words(command) {
		if name, ok := strings.CutPrefix(word, "$"); ok && name != "" && !strings.ContainsAny(name, "{$") {
			out = append(out, words(env[name])...)
			continue
		}
		for name, value := range env {
			word = strings.ReplaceAll(word, "${"+name+"}", value)
		}
		out = append(out, word)
	}
	return out
}

// readEnv reads the assignments of a file into env.
func readEnv(root files, name string, env map[string]string) error {
	data, err := root.Read(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for line := range strings.Lines(strings.ReplaceAll(string(data), "\\\n", " ")) {
		line = strings.TrimSpace(line)
		variable, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		value = strings.TrimSpace(value)
		if n := len(value); n > 1 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		env[strings.TrimSpace(variable)] = value
	}
	return nil
}

// words splits a text at its spaces; quotes hold words together.
func words(text string) []string {
	var out []string
	var word strings.Builder
	quote, inside := rune(0), false
	for _, r := range text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, inside = r, true
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if inside {
				out = append(out, word.String())
				word.Reset()
			}
			inside = false
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	if inside {
		out = append(out, word.String())
	}
	return out
}
