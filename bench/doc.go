// Package bench measures: how long pinlab takes to start, to load and to
// replay, each compared with a bare program in the same run. The measuring of
// the kubelet's own allocation latency is not written yet.
package bench
