package cgroup

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The QoS classes, as the kubelet's cgroup paths tell them.
const (
	Guaranteed = "Guaranteed"
	Burstable  = "Burstable"
	BestEffort = "BestEffort"
)

// QoS reads a pod's QoS class from a cgroup path: the kubelet keeps Burstable
// and BestEffort pods below a cgroup of their class. It is empty for a path
// without a pod.
func QoS(rel string) string {
	parts := strings.Split(rel, "/")
	pod := slices.IndexFunc(parts, podName.MatchString)
	if pod < 0 {
		return ""
	}
	for _, part := range parts[:pod] {
		part = strings.TrimSuffix(part, ".slice")
		switch part[strings.LastIndex(part, "-")+1:] {
		case "burstable":
			return Burstable
		case "besteffort":
			return BestEffort
		}
	}
	return Guaranteed
}

// ContainerOf reads the pod and the container from the path of a cgroup that is
// a container's or lies below one: some runtimes and systemd inside of
// containers make sub-groups.
func ContainerOf(rel string) (podUID, containerID string, ok bool) {
	for at := 1; at <= len(rel); at++ {
		if at < len(rel) && rel[at] != '/' {
			continue
		}
		if podUID, containerID, ok = ParsePath(rel[:at]); ok {
			return podUID, containerID, true
		}
	}
	return "", "", false
}

// PIDs lists the processes that procfs shows; that there are none is an error,
// for the one that asks must be among them.
func (r Reader) PIDs() ([]int, error) {
	entries, err := Files(r).List("proc")
	if err != nil {
		return nil, fmt.Errorf("/proc: %w", err)
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		return nil, ErrNoProcess
	}
	slices.Sort(pids)
	return pids, nil
}

// ErrNoProcess says that what should be a procfs is none.
var ErrNoProcess = errors.New("/proc: no process in it; is it mounted?")

// ErrForeign says that a process is outside of the cgroup namespace of the one
// that reads.
var ErrForeign = errors.New("its cgroup is outside of this program's cgroup namespace")

// PathOf reads in which cgroup of the hierarchy of the given version a process
// is; for version 1 that of the cpuset controller.
func (r Reader) PathOf(pid, version int) (string, error) {
	data, err := Files(r).Read(fmt.Sprintf("proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	rel, ok := ParseMembership(data, version)
	if !ok {
		return "", errors.New("no cpuset hierarchy in its cgroup file")
	}
	if rel == "/.." || strings.HasPrefix(rel, "/../") {
		return "", ErrForeign
	}
	return rel, nil
}

// ParseMembership finds the path of the cpuset hierarchy in a cgroup file of
// procfs.
func ParseMembership(data []byte, version int) (rel string, ok bool) {
	for line := range strings.Lines(string(data)) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, path, found := strings.Cut(rest, ":")
		if !found || !strings.HasPrefix(path, "/") {
			continue
		}
		if version == V2 && id == "0" && controllers == "" {
			return path, true
		}
		if version == V1 && slices.Contains(strings.Split(controllers, ","), "cpuset") {
			return path, true
		}
	}
	return "", false
}

// kernelThread is the flag PF_KTHREAD of the kernel.
const kernelThread = 0x00200000

// KernelThread says whether a process is a thread of the kernel.
func (r Reader) KernelThread(pid int) (bool, error) {
	data, err := Files(r).Read(fmt.Sprintf("proc/%d/stat", pid))
	if err != nil {
		return false, err
	}
	flags, err := parseStatFlags(data)
	return flags&kernelThread != 0, err
}

// parseStatFlags takes the flags out of a stat file of procfs. The name in it,
// in parentheses, may hold anything.
func parseStatFlags(data []byte) (uint64, error) {
	text := string(data)
	fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
	const flags = 6 // state ppid pgrp session tty_nr tpgid flags
	if !strings.Contains(text, ")") || len(fields) <= flags {
		return 0, errors.New("malformed stat file")
	}
	return strconv.ParseUint(fields[flags], 10, 64)
}
