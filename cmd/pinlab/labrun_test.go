package main

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/worker"
)

// A machine is booted once, however its scenarios are mixed with others'.
func TestByMachine(t *testing.T) {
	a, b := &hwprofiles.Profile{Name: "a"}, &hwprofiles.Profile{Name: "b"}
	NewWithT(t).Expect(byMachine([]worker.Job{{Profile: b}, {Profile: a}, {Profile: b}, {Profile: a}, {Profile: b}})).To(Equal([]int{0, 2, 4, 1, 3}))
}
