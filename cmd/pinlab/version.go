package main

import (
	"runtime/debug"

	"github.com/pinlab/pinlab/sim/kubelet"
)

// version names this build and the kubelet in it.
func version() string {
	name := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		name = info.Main.Version
	}
	return "pinlab " + name + " (kubelet " + kubelet.Version + ")"
}
