package apiserver

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// object is an API object as JSON. An object in the store is never changed,
// only replaced.
type object map[string]any

// meta is the object's metadata, for reading and writing.
func (o object) meta() map[string]any {
	switch m := o["metadata"].(type) {
	case map[string]any:
		return m
	case object:
		return m
	}
	m := map[string]any{}
	o["metadata"] = m
	return m
}

// event is one line of a watch.
type event struct {
	Type   string `json:"type"`
	Object object `json:"object"`
}

type stored struct {
	event
	path    resourcePath
	version uint64
}

// store keeps objects and all changes to them, each under its version.
type store struct {
	mu      sync.Mutex
	version uint64
	objects map[string]object
	paths   map[string]resourcePath
	history []stored
	last    map[string]uint64 // version of the last change by resource
	changed chan struct{}     // closed and replaced at each change
}

func newStore() *store {
	return &store{objects: map[string]object{}, paths: map[string]resourcePath{}, last: map[string]uint64{}, changed: make(chan struct{})}
}

// next is a number that nothing else has.
func (s *store) next() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	return s.version
}

func (s *store) latest(resource string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last[resource]
}

func (s *store) get(key string) (object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	return o, ok
}

// list returns the objects of a resource in the order of their keys.
func (s *store) list(p resourcePath, match func(object) bool) ([]object, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []object{}
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if s.paths[key].among(p) && match(s.objects[key]) {
			out = append(out, s.objects[key])
		}
	}
	return out, s.version
}

// among says whether an object's path is in the collection that c names.
func (p resourcePath) among(c resourcePath) bool {
	return p.group == c.group && p.resource == c.resource && (c.namespace == "" || c.namespace == p.namespace)
}

// since returns the changes after a version, and a channel that is closed at
// the next one.
func (s *store) since(p resourcePath, version uint64) ([]stored, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []stored
	for _, e := range s.history {
		if e.version > version && e.path.among(p) {
			out = append(out, e)
		}
	}
	return out, s.changed
}

func (s *store) create(p resourcePath, o object) (object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[p.key()]; ok {
		return nil, false
	}
	if p.namespace != "" {
		o.meta()["namespace"] = p.namespace
	}
	return s.put(p, "ADDED", o), true
}

// update replaces an object by what f makes of a copy of it.
func (s *store) update(p resourcePath, f func(object) (object, error)) (object, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.objects[p.key()]
	if !ok {
		return nil, false, nil
	}
	copied := maps.Clone(old)
	copied["metadata"] = maps.Clone(old.meta())
	o, err := f(copied)
	if err != nil {
		return nil, true, err
	}
	if err := check(old, meant(o)); err != nil {
		return nil, true, err
	}
	if p.sub == "status" { // only the status may change by it
		next := maps.Clone(old)
		next["metadata"] = maps.Clone(old.meta())
		next["status"] = o["status"]
		o = next
	}
	// What identifies an object does not change, and a deletion is not undone.
	for _, field := range []string{"uid", "creationTimestamp", "name", "namespace", "deletionTimestamp", "deletionGracePeriodSeconds"} {
		if v, ok := old.meta()[field]; ok {
			o.meta()[field] = v
		}
	}
	return s.put(p, "MODIFIED", o), true, nil
}

func (s *store) remove(p resourcePath, when *metav1.Preconditions) (object, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.objects[p.key()]
	if !ok {
		return nil, false, nil
	}
	if err := check(old, when); err != nil {
		return nil, true, err
	}
	gone := maps.Clone(old)
	gone["metadata"] = maps.Clone(old.meta())
	o := s.put(p, "DELETED", gone)
	delete(s.objects, p.key())
	delete(s.paths, p.key())
	return o, true, nil
}

// errConflict marks a change that was meant for another object of this name, or
// for an older version of it.
var errConflict = errors.New("the object is another one")

// check holds preconditions against an object.
func check(o object, when *metav1.Preconditions) error {
	if when == nil {
		return nil
	}
	if when.UID != nil && o.meta()["uid"] != string(*when.UID) {
		return fmt.Errorf("%w: UID in precondition: %s, UID in object meta: %v", errConflict, *when.UID, o.meta()["uid"])
	}
	if when.ResourceVersion != nil && o.meta()["resourceVersion"] != *when.ResourceVersion {
		return fmt.Errorf("%w: version %s was asked for, it is %v", errConflict, *when.ResourceVersion, o.meta()["resourceVersion"])
	}
	return nil
}

// meant are the preconditions that a changed object carries by itself: the UID
// and the version that it names.
func meant(o object) *metav1.Preconditions {
	when := &metav1.Preconditions{}
	if uid, _ := o.meta()["uid"].(string); uid != "" {
		when.UID = (*types.UID)(&uid)
	}
	if version, _ := o.meta()["resourceVersion"].(string); version != "" {
		when.ResourceVersion = &version
	}
	return when
}

func (s *store) put(p resourcePath, what string, o object) object {
	p.sub = ""
	s.version++
	if o["kind"] == nil {
		o["kind"], o["apiVersion"] = p.kind(), p.apiVersion()
	}
	o.meta()["resourceVersion"] = fmt.Sprint(s.version)
	s.objects[p.key()], s.paths[p.key()] = o, p
	s.history = append(s.history, stored{event{what, o}, p, s.version})
	s.last[p.resource] = s.version
	close(s.changed)
	s.changed = make(chan struct{})
	return o
}
