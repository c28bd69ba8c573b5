package scenarios

import "fmt"

// stateEvent reads the events of the managers' state files.
func (l *loading) stateEvent(key string, n *node) []Event {
	n = n.asField("file")
	switch key {
	case "deleteStateFile":
		e := DeleteStateFile{File: CPUState}
		l.into(n, &e, key)
		return one(e)
	case "writeStateFile":
		e := WriteStateFile{File: CPUState}
		if l.read(n, &e, key) {
			l.written(n, &e)
		}
		return one(e)
	}
	e := EditStateFile{File: CPUState}
	if !l.read(n, &e, key) {
		return nil
	}
	if e.Truncate != nil {
		l.atLeast(n, key, "truncate", *e.Truncate, 0)
	}
	if e.File == MemoryState && (len(e.Set) > 0 || e.FixChecksum) {
		l.errorf(n.line, "editStateFile: set and fixChecksum are for cpu_manager_state; memory_manager_state takes truncate and append")
	}
	if e.Truncate == nil && e.Append == "" && len(e.Set) == 0 && !e.FixChecksum {
		l.errorf(n.line, "editStateFile changes nothing; want truncate, append, set or fixChecksum")
	}
	return one(e)
}

// written checks what is written into a state file.
func (l *loading) written(n *node, e *WriteStateFile) {
	content, checkpoint := n.get("content"), n.get("checkpoint")
	switch {
	case n.kind != mapping:
		return
	case content == nil && checkpoint == nil:
		l.errorf(n.line, "writeStateFile: want content or checkpoint")
	case content != nil && checkpoint != nil:
		l.errorf(n.line, "writeStateFile: content and checkpoint are both given; want one")
	}
	if checkpoint == nil || e.Checkpoint == nil {
		return
	}
	if e.File != CPUState && e.File != "" {
		l.errorf(checkpoint.line, "writeStateFile.checkpoint: describes a %s; write other files as content", CPUState)
	}
	c := e.Checkpoint
	if c.PolicyName == "" {
		c.PolicyName = "static"
	}
	if c.Checksum == "" {
		c.Checksum = "valid"
	}
	at := "writeStateFile.checkpoint"
	l.oneOf(checkpoint, at, "version", c.Version, "v1", "v2", "v3", "v4")
	l.oneOf(checkpoint, at, "checksum", c.Checksum, "valid", "zero", "wrong")
}

// what says what a write leaves in the file.
func (e WriteStateFile) what() string {
	switch c := e.Checkpoint; {
	case c != nil && c.Checksum != "valid" && c.Checksum != "":
		return fmt.Sprintf("%s, checksum %s", c.Version, c.Checksum)
	case c != nil:
		return c.Version
	case e.Content == "":
		return "empty"
	}
	return fmt.Sprintf("%d bytes", len(e.Content))
}
