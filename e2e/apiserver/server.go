// Package apiserver is as much of a Kubernetes API server as one kubelet needs:
// objects that can be created, read, listed, watched, patched and deleted,
// without authentication, admission or defaulting. With it a kubelet gets its
// pods as in a cluster, by a watch, and tells their status as in a cluster; pods
// in a manifest directory would be static pods, which the kubelet treats as
// critical and admits by preemption.
package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Server is an http.Handler.
type Server struct {
	store *store
	now   func() time.Time
}

// New makes a server without objects; now is the clock of timestamps.
func New(now func() time.Time) *Server {
	return &Server{store: newStore(), now: now}
}

// Version is the version of the last change to any object of a resource.
func (s *Server) Version(resource string) uint64 { return s.store.latest(resource) }

// maxBody bounds a request's body, in bytes, as a real API server does.
const maxBody = 3 << 20

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/healthz", "/readyz", "/livez":
		_, _ = io.WriteString(w, "ok")
		return
	}
	p, ok := parsePath(r.URL.Path)
	if !ok {
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, "no resource at "+r.URL.Path)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge, err.Error())
		return
	}
	switch r.Method {
	case http.MethodGet:
		s.get(w, r, p)
	case http.MethodPost:
		s.create(w, p, body)
	case http.MethodPut:
		s.change(w, p, func(object) (object, error) { return decode(body) })
	case http.MethodPatch:
		s.change(w, p, func(old object) (object, error) { return patch(p, r.Header.Get("Content-Type"), old, body) })
	case http.MethodDelete:
		s.delete(w, p, body)
	default:
		fail(w, http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed, r.Method)
	}
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, p resourcePath) {
	q := r.URL.Query()
	match := selector(q.Get("fieldSelector"))
	if p.name != "" {
		o, ok := s.store.get(p.key())
		if !ok {
			notFound(w, p)
			return
		}
		reply(w, http.StatusOK, o)
		return
	}
	if watch, _ := strconv.ParseBool(q.Get("watch")); watch {
		s.watch(w, r, p, match)
		return
	}
	items, version := s.store.list(p, match)
	reply(w, http.StatusOK, object{
		"kind": p.kind() + "List", "apiVersion": p.apiVersion(),
		"metadata": object{"resourceVersion": fmt.Sprint(version)}, "items": items,
	})
}

// watch streams changes. With sendInitialEvents the objects there are come
// first, then a bookmark that says so (KEP-3157).
func (s *Server) watch(w http.ResponseWriter, r *http.Request, p resourcePath, match func(object) bool) {
	flush, ok := w.(http.Flusher)
	if !ok {
		fail(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, "cannot stream")
		return
	}
	q := r.URL.Query()
	since, _ := strconv.ParseUint(q.Get("resourceVersion"), 10, 64)
	initial, _ := strconv.ParseBool(q.Get("sendInitialEvents"))
	out := json.NewEncoder(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flush.Flush()
	if initial {
		items, version := s.store.list(p, match)
		for _, o := range items {
			if out.Encode(event{"ADDED", o}) != nil {
				return
			}
		}
		bookmark := object{"kind": p.kind(), "apiVersion": p.apiVersion(), "metadata": object{
			"resourceVersion": fmt.Sprint(version), "annotations": object{metav1.InitialEventsAnnotationKey: "true"},
		}}
		if out.Encode(event{"BOOKMARK", bookmark}) != nil {
			return
		}
		flush.Flush()
		since = version
	}
	for {
		events, wake := s.store.since(p, since)
		for _, e := range events {
			since = e.version
			if !match(e.Object) {
				continue
			}
			if out.Encode(e.event) != nil {
				return
			}
		}
		flush.Flush()
		select {
		case <-wake:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *Server) create(w http.ResponseWriter, p resourcePath, body []byte) {
	o, err := decode(body)
	if err != nil {
		fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		return
	}
	if p.sub != "" {
		// A token, an eviction, a review: nothing here answers those.
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, "no subresource "+p.sub)
		return
	}
	meta := o.meta()
	p.name, _ = meta["name"].(string)
	if generate, _ := meta["generateName"].(string); p.name == "" && generate != "" {
		p.name = generate + strconv.FormatUint(s.store.next(), 36)
		meta["name"] = p.name
	}
	if p.name == "" || strings.Contains(p.name, "/") {
		fail(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, fmt.Sprintf("%s cannot be named %q", p.resource, p.name))
		return
	}
	if meta["creationTimestamp"] == nil {
		meta["creationTimestamp"] = s.now().UTC().Format(time.RFC3339)
	}
	if meta["uid"] == nil {
		meta["uid"] = fmt.Sprintf("00000000-0000-4000-8000-%012x", s.store.next())
	}
	o, ok := s.store.create(p, o)
	if !ok {
		fail(w, http.StatusConflict, metav1.StatusReasonAlreadyExists, fmt.Sprintf("%s %q already exists", p.resource, p.name))
		return
	}
	reply(w, http.StatusCreated, o)
}

func (s *Server) change(w http.ResponseWriter, p resourcePath, f func(object) (object, error)) {
	o, found, err := s.store.update(p, f)
	switch {
	case !found:
		notFound(w, p)
	case errors.Is(err, errConflict):
		fail(w, http.StatusConflict, metav1.StatusReasonConflict, err.Error())
	case errors.Is(err, errPatchType):
		fail(w, http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType, err.Error())
	case err != nil:
		fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
	default:
		reply(w, http.StatusOK, o)
	}
}

// delete marks a pod for deletion, as the API server does, and removes it when
// the kubelet asks for it without grace; other objects go at once.
func (s *Server) delete(w http.ResponseWriter, p resourcePath, body []byte) {
	var options metav1.DeleteOptions
	if len(body) > 0 {
		if err := json.Unmarshal(body, &options); err != nil {
			fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
			return
		}
	}
	if p.resource == "pods" && (options.GracePeriodSeconds == nil || *options.GracePeriodSeconds > 0) {
		s.change(w, p, func(o object) (object, error) {
			if err := check(o, options.Preconditions); err != nil {
				return nil, err
			}
			meta := o.meta()
			if meta["deletionTimestamp"] == nil {
				grace := graceOf(o)
				if options.GracePeriodSeconds != nil {
					grace = *options.GracePeriodSeconds
				}
				meta["deletionTimestamp"] = s.now().Add(time.Duration(grace) * time.Second).UTC().Format(time.RFC3339)
				meta["deletionGracePeriodSeconds"] = grace
			}
			return o, nil
		})
		return
	}
	o, found, err := s.store.remove(p, options.Preconditions)
	switch {
	case !found:
		notFound(w, p)
	case err != nil:
		fail(w, http.StatusConflict, metav1.StatusReasonConflict, err.Error())
	default:
		reply(w, http.StatusOK, o)
	}
}

// graceOf is the time in seconds that a pod asks for to end.
func graceOf(pod object) int64 {
	if spec, ok := pod["spec"].(map[string]any); ok {
		if seconds, ok := spec["terminationGracePeriodSeconds"].(float64); ok && seconds >= 0 {
			return int64(seconds)
		}
	}
	return corev1.DefaultTerminationGracePeriodSeconds
}

func decode(body []byte) (object, error) {
	var o object
	if err := json.Unmarshal(body, &o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errors.New("not an object")
	}
	return o, nil
}

func reply(w http.ResponseWriter, code int, o any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(o) // the other side may be gone
}

func notFound(w http.ResponseWriter, p resourcePath) {
	fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("%s %q not found", p.resource, p.name))
}

func fail(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	reply(w, code, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	})
}

// selector reads the field selectors that a kubelet uses: metadata.name, and
// others (spec.nodeName, spec.clusterIP!=None) that select all there is on a
// cluster of one node without services.
func selector(text string) func(object) bool {
	name := ""
	for _, part := range strings.Split(text, ",") {
		if value, ok := strings.CutPrefix(part, "metadata.name="); ok {
			name = strings.TrimPrefix(value, "=")
		}
	}
	return func(o object) bool { return name == "" || o.meta()["name"] == name }
}
