package observe

// Statement is a log statement of the kubelet's managers that was passed: its constant
// text, without the values.
type Statement struct {
	Message string
	Error   bool
	// Path are the functions of the managers that led to it, the innermost first;
	// nil where nobody asked for it. Only errors and writes have one.
	Path []string
	// Write says that the managers' state was written. Where that is the entry of a
	// container or of a pod, Pod and Container name it.
	Write          bool
	Pod, Container string
	// Refused are the resources that a hint provider had no hint for.
	Refused []string
}
