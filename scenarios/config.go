package scenarios

import (
	"crypto/sha256"
	"encoding/json"
)

// kubelet reads the configuration, from the file itself or from another.
func (l *loading) kubelet(root *node, h head) (config json.RawMessage, line int) {
	section := root.get("kubelet")
	line = root.lineOf("kubelet")
	file := l.file
	if h.KubeletFile != "" {
		if section != nil {
			l.errorf(section.line, "kubelet and kubeletFile are both given; want one")
			return nil, line
		}
		line = root.lineOf("kubeletFile")
		docs, shown := l.readYAML(h.KubeletFile, line, "kubeletFile")
		for _, doc := range docs {
			if doc != nil {
				section = doc
			}
		}
		if section == nil {
			l.configBroken = true
			return nil, line
		}
		file = shown
	}
	if section == nil || section.isNull() {
		return nil, line
	}
	l.typed(section, file, "kubelet")
	config = l.decoder.json(section, &place{name: "kubelet"})
	if section.kind != mapping {
		l.problems.add(file, section.line, "kubelet: want a KubeletConfiguration, got %s", section.says())
		config = nil
	}
	l.config = config
	l.judge(section, file, config)
	return config, line
}

// Limits of the kubelet's configurations in one scenario. A complete one with
// all defaults written out has less than 10,000 bytes.
const (
	maxConfigBytes = 64 << 10
	maxConfigs     = 2000
)

// judge asks upstream about a configuration. Each one is asked about once.
func (l *loading) judge(section *node, file string, config json.RawMessage) {
	key := sha256.Sum256(config)
	if l.Loader.Kubelet == nil || l.configBroken || config == nil || l.judged[key] {
		return
	}
	if len(config) > maxConfigBytes || len(l.judged) == maxConfigs {
		l.configBroken = true
		l.problems.add(file, section.line, "kubelet: configuration of %d bytes, number %d; at most %d bytes and %d different ones",
			len(config), len(l.judged)+1, maxConfigBytes, maxConfigs)
		return
	}
	l.judged[key] = true
	if err := l.Loader.Kubelet(config); err != nil {
		l.configBroken = true
		for _, err := range flatten(err) {
			text := oneLine(err.Error())
			l.problems.add(file, section.lineNamed(text), "kubelet: %s", text)
		}
	}
}

// typed compares a configuration, or a patch of one, with the API's type.
func (l *loading) typed(section *node, file, at string) {
	if l.KubeletType == nil || section.kind != mapping {
		return
	}
	before := l.problems.count()
	d := &decoder{file: file, problems: l.problems, tables: l.tables}
	d.into(section, l.KubeletType(), at)
	if l.problems.count() > before {
		l.configBroken = true
	}
}

// patch follows the configuration through a start of the kubelet.
func (l *loading) patch(n *node, patch json.RawMessage) {
	section := n.get("config")
	if section == nil || section.isNull() {
		return
	}
	if section.kind != mapping {
		l.errorf(section.line, "config: want fields of a KubeletConfiguration, got %s", section.says())
		return
	}
	l.typed(section, l.file, "config")
	if l.Loader.Kubelet == nil || l.configBroken {
		return // nobody will look at it
	}
	merged, err := MergeConfig(l.config, patch)
	if err != nil {
		l.errorf(section.line, "config: %s", oneLine(err.Error()))
		return
	}
	l.config = merged
	l.judge(section, l.file, merged)
}
