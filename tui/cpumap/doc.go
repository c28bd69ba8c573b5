// Package cpumap draws a machine and who has which of its CPUs: sockets, NUMA
// nodes, uncore caches (L3), cores and sibling CPUs. A machine of two CPUs and
// one of a thousand are readable alike: levels are folded until the map fits,
// and a part of the machine can be looked at by itself.
//
// Everything in it is a pure function of a profile, an observation and what the
// user has chosen to see.
package cpumap
