// Package pinlab carries the module's own files of required versions: the lab
// builds its kubelet with them, wherever the pinlab binary is.
package pinlab

import _ "embed"

// GoMod and GoSum are this module's go.mod and go.sum.
var (
	//go:embed go.mod
	GoMod []byte
	//go:embed go.sum
	GoSum []byte
)
