// Package kind is the target "kind": a node of a Kubernetes cluster that
// sigs.k8s.io/kind makes in a container of this machine. Pods go through the
// cluster's API server; everything else is done by pinlab itself, which is put
// into the node and talked to over the node's standard streams.
//
// A kind node shares the kernel with its host. Its CPUs are the host's, and what
// would change the host is not done.
package kind
