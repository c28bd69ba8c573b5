package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	merge     = "application/merge-patch+json"
	strategic = "application/strategic-merge-patch+json"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

type client struct {
	*WithT
	url string
}

func start(t *testing.T) client {
	s := httptest.NewServer(New(func() time.Time { return noon }))
	t.Cleanup(s.Close)
	return client{NewWithT(t), s.URL}
}

// do sends a request and returns the answer, whatever it is.
func (c client) do(method, path, contentType, body string) (int, map[string]any) {
	r, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	c.Expect(err).NotTo(HaveOccurred())
	r.Header.Set("Content-Type", contentType)
	answer, err := http.DefaultClient.Do(r)
	c.Expect(err).NotTo(HaveOccurred())
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	c.Expect(err).NotTo(HaveOccurred())
	var o map[string]any
	c.Expect(json.Unmarshal(data, &o)).To(Succeed(), "%s", data)
	return answer.StatusCode, o
}

// must sends a request that succeeds.
func (c client) must(method, path, contentType, body string) map[string]any {
	code, o := c.do(method, path, contentType, body)
	c.Expect(code).To(BeNumerically("<", 300), "%s %s: %v", method, path, o)
	return o
}

// refused sends a request that fails, and returns the status as clients read it.
func (c client) refused(method, path, contentType, body string) metav1.Status {
	code, o := c.do(method, path, contentType, body)
	var s metav1.Status
	into(c, o, &s)
	c.Expect(s.Kind).To(Equal("Status"))
	c.Expect(s.Status).To(Equal(metav1.StatusFailure))
	c.Expect(s.Code).To(BeEquivalentTo(code))
	return s
}

// into reads an object as a type of the API.
func into(g Gomega, o any, v any) {
	data, err := json.Marshal(o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(json.Unmarshal(data, v)).To(Succeed())
}

func meta(o map[string]any) map[string]any { return o["metadata"].(map[string]any) }

const (
	pods = "/api/v1/namespaces/default/pods"
	podA = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "uid": "u-a"},
		"spec": {"nodeName": "lab", "containers": [{"name": "app"}, {"name": "side"}]}, "status": {"phase": "Pending"}}`
)

func TestCreateGetList(t *testing.T) {
	c := start(t)
	o := c.must("POST", pods, "application/json", podA)
	c.Expect(meta(o)).To(Equal(map[string]any{
		"name": "a", "namespace": "default", "uid": "u-a", "creationTimestamp": "2026-05-04T12:00:00Z", "resourceVersion": "1",
	}))
	c.Expect(c.must("GET", pods+"/a", "", "")).To(Equal(o))

	b := c.must("POST", "/api/v1/namespaces/other/pods", "application/json", `{"metadata": {"name": "b", "namespace": "lie"}}`)
	c.Expect(meta(b)["uid"]).NotTo(BeEmpty(), "the server makes a UID")
	c.Expect(meta(b)["namespace"]).To(Equal("other"))
	c.Expect(b["kind"]).To(Equal("Pod"))
	c.Expect(b["apiVersion"]).To(Equal("v1"))

	var list corev1.PodList
	into(c, c.must("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dlab&limit=500", "", ""), &list)
	c.Expect(list.Kind).To(Equal("PodList"))
	c.Expect(list.ResourceVersion).To(Equal(meta(b)["resourceVersion"]))
	c.Expect(list.Items).To(HaveLen(2))
	into(c, c.must("GET", pods, "", ""), &list)
	c.Expect(list.Items).To(ConsistOf(HaveField("Name", "a")))
	into(c, c.must("GET", "/api/v1/pods?fieldSelector=metadata.name%3D%3Db", "", ""), &list)
	c.Expect(list.Items).To(ConsistOf(HaveField("Name", "b")))
	c.Expect(c.must("GET", "/api/v1/services", "", "")["items"]).To(Equal([]any{}), "an empty list, not null")
}

func TestGroups(t *testing.T) {
	c := start(t)
	leases := "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
	c.must("POST", leases, "application/json", `{"metadata": {"name": "lab"}, "spec": {"holderIdentity": "lab"}}`)
	o := c.must("GET", "/apis/coordination.k8s.io/v1beta1/namespaces/kube-node-lease/leases/lab", "", "")
	c.Expect(o["apiVersion"]).To(Equal("coordination.k8s.io/v1"), "one object in whatever version it is asked for")
	c.must("POST", "/api/v1/namespaces", "application/json", `{"metadata": {"name": "default"}}`)
	c.Expect(c.must("GET", "/api/v1/namespaces/default", "", "")["kind"]).To(Equal("Namespace"))
	c.must("POST", "/api/v1/nodes", "application/json", `{"metadata": {"name": "lab"}}`)
	c.Expect(c.must("GET", "/api/v1/nodes/lab", "", "")["kind"]).To(Equal("Node"))
}

func TestGenerateName(t *testing.T) {
	c := start(t)
	names := map[string]bool{}
	for range 3 {
		o := c.must("POST", "/api/v1/namespaces/default/events", "application/json", `{"metadata": {"generateName": "e-"}}`)
		names[meta(o)["name"].(string)] = true
	}
	c.Expect(names).To(HaveLen(3))
	for name := range names {
		c.Expect(name).To(HavePrefix("e-"))
	}
}

func TestRefusals(t *testing.T) {
	c := start(t)
	c.must("POST", pods, "application/json", podA)
	for _, r := range []struct {
		method, path, contentType, body string
		reason                          metav1.StatusReason
	}{
		{"GET", pods + "/b", "", "", metav1.StatusReasonNotFound},
		{"GET", "/api/v1/namespaces/other/pods/a", "", "", metav1.StatusReasonNotFound},
		{"PUT", pods + "/b", "application/json", `{}`, metav1.StatusReasonNotFound},
		{"PATCH", pods + "/b", merge, `{}`, metav1.StatusReasonNotFound},
		{"DELETE", pods + "/b", "", "", metav1.StatusReasonNotFound},
		{"DELETE", pods + "/b", "", `{"gracePeriodSeconds": 0}`, metav1.StatusReasonNotFound},
		{"GET", "/api/v1/widgets", "", "", metav1.StatusReasonNotFound},
		{"GET", "/apis/apps/v1/deployments", "", "", metav1.StatusReasonNotFound},
		{"GET", "/", "", "", metav1.StatusReasonNotFound},
		{"GET", "/metrics", "", "", metav1.StatusReasonNotFound},
		{"GET", "/api/v1/namespaces/default/pods/a/proxy/x", "", "", metav1.StatusReasonNotFound},
		{"POST", pods + "/a/eviction", "application/json", `{}`, metav1.StatusReasonNotFound},
		{"POST", "/api/v1/namespaces/default/serviceaccounts/default/token", "application/json", `{}`, metav1.StatusReasonNotFound},
		{"POST", pods, "application/json", podA, metav1.StatusReasonAlreadyExists},
		{"POST", pods, "application/json", `{"metadata": {}}`, metav1.StatusReasonInvalid},
		{"POST", pods, "application/json", `{"metadata": {"name": "a/b"}}`, metav1.StatusReasonInvalid},
		{"POST", pods, "application/json", `{"metadata": `, metav1.StatusReasonBadRequest},
		{"POST", pods, "application/json", `null`, metav1.StatusReasonBadRequest},
		{"POST", pods, "application/json", `[]`, metav1.StatusReasonBadRequest},
		{"PUT", pods + "/a", "application/json", `"a"`, metav1.StatusReasonBadRequest},
		{"PUT", pods + "/a", "application/json", `{"metadata": {"resourceVersion": "77"}}`, metav1.StatusReasonConflict},
		{"PUT", pods + "/a", "application/json", `{"metadata": {"uid": "another"}}`, metav1.StatusReasonConflict},
		{"PATCH", pods + "/a/status", strategic, `{"metadata": {"uid": "another"}, "status": {"phase": "Running"}}`, metav1.StatusReasonConflict},
		{"PATCH", pods + "/a", merge, `[1]`, metav1.StatusReasonBadRequest},
		{"PATCH", pods + "/a", strategic, `{"spec": {"containers": [1]}}`, metav1.StatusReasonBadRequest},
		{"PATCH", pods + "/a", "application/apply-patch+yaml", `{}`, metav1.StatusReasonUnsupportedMediaType},
		{"DELETE", pods + "/a", "application/json", `{"gracePeriodSeconds": "soon"}`, metav1.StatusReasonBadRequest},
		{"OPTIONS", pods + "/a", "", "", metav1.StatusReasonMethodNotAllowed},
		{"POST", pods, "application/json", `{"metadata": {"name": "` + strings.Repeat("x", maxBody) + `"}}`, metav1.StatusReasonRequestEntityTooLarge},
	} {
		t.Run(fmt.Sprintf("%s %s %.40s", r.method, r.path, r.body), func(t *testing.T) {
			c := client{NewWithT(t), c.url}
			c.Expect(c.refused(r.method, r.path, r.contentType, r.body).Reason).To(Equal(r.reason))
		})
	}
	c.Expect(meta(c.must("GET", pods+"/a", "", ""))["resourceVersion"]).To(Equal("1"), "nothing of it has changed the pod")
	c.Expect(c.must("GET", "/api/v1/pods", "", "")["items"]).To(HaveLen(1))
}

func TestHealth(t *testing.T) {
	c := start(t)
	for _, path := range []string{"/healthz", "/readyz", "/livez"} {
		answer, err := http.Get(c.url + path)
		c.Expect(err).NotTo(HaveOccurred())
		data, err := io.ReadAll(answer.Body)
		c.Expect(err).NotTo(HaveOccurred())
		c.Expect(answer.Body.Close()).To(Succeed())
		c.Expect(string(data)).To(Equal("ok"))
	}
}

// A kubelet patches a pod's status: lists are merged by their keys, and nothing
// but the status changes.
func TestPatchPodStatus(t *testing.T) {
	c := start(t)
	c.must("POST", pods, "application/json", podA)
	patch := func(body string) corev1.Pod {
		var p corev1.Pod
		into(c, c.must("PATCH", pods+"/a/status", strategic+"; charset=utf-8", body), &p)
		return p
	}
	patch(`{"metadata": {"uid": "u-a"}, "spec": {"nodeName": "elsewhere"}, "status": {"phase": "Running",
		"$setElementOrder/conditions": [{"type": "Ready"}, {"type": "Initialized"}],
		"conditions": [{"type": "Ready", "status": "False"}, {"type": "Initialized", "status": "True"}],
		"containerStatuses": [{"name": "app", "ready": false, "restartCount": 0, "image": "", "imageID": ""}]}}`)
	p := patch(`{"metadata": {"uid": "u-a"}, "status": {
		"$setElementOrder/conditions": [{"type": "Ready"}, {"type": "Initialized"}],
		"conditions": [{"type": "Ready", "status": "True"}],
		"containerStatuses": [{"name": "app", "ready": true, "restartCount": 1, "image": "", "imageID": ""}]}}`)
	c.Expect(p.Spec.NodeName).To(Equal("lab"))
	c.Expect(p.Status.Phase).To(Equal(corev1.PodRunning))
	c.Expect(p.Status.Conditions).To(HaveExactElements(
		And(HaveField("Type", corev1.PodReady), HaveField("Status", corev1.ConditionTrue)),
		And(HaveField("Type", corev1.PodInitialized), HaveField("Status", corev1.ConditionTrue))))
	c.Expect(p.Status.ContainerStatuses).To(ConsistOf(HaveField("RestartCount", BeEquivalentTo(1))))
	c.Expect(p.ResourceVersion).To(Equal("3"))
	c.Expect(p.UID).To(BeEquivalentTo("u-a"))
}

func TestPatchNodeStatus(t *testing.T) {
	c := start(t)
	c.must("POST", "/api/v1/nodes", "application/json", `{"metadata": {"name": "lab"}, "spec": {"podCIDR": "10.0.0.0/24"},
		"status": {"capacity": {"cpu": "8"}, "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}}`)
	var n corev1.Node
	into(c, c.must("PATCH", "/api/v1/nodes/lab/status", strategic, `{"status": {"allocatable": {"cpu": "6"},
		"conditions": [{"type": "Ready", "status": "True"}], "$setElementOrder/conditions": [{"type": "Ready"}]}}`), &n)
	c.Expect(n.Status.Capacity.Cpu().Value()).To(BeEquivalentTo(8))
	c.Expect(n.Status.Allocatable.Cpu().Value()).To(BeEquivalentTo(6))
	c.Expect(n.Status.Addresses).To(HaveLen(1))
	c.Expect(n.Status.Conditions).To(HaveLen(1))
	c.Expect(n.Spec.PodCIDR).To(Equal("10.0.0.0/24"))
}

func TestPutAndMergePatch(t *testing.T) {
	c := start(t)
	leases := "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
	o := c.must("POST", leases, "application/json", `{"metadata": {"name": "lab", "labels": {"a": "1"}}, "spec": {"holderIdentity": "lab"}}`)
	uid := meta(o)["uid"]
	o["spec"].(map[string]any)["holderIdentity"] = "other"
	data, err := json.Marshal(o)
	c.Expect(err).NotTo(HaveOccurred())
	next := c.must("PUT", leases+"/lab", "application/json", string(data))
	c.Expect(next["spec"]).To(Equal(map[string]any{"holderIdentity": "other"}))
	c.Expect(meta(next)["resourceVersion"]).NotTo(Equal(meta(o)["resourceVersion"]))
	c.Expect(c.refused("PUT", leases+"/lab", "application/json", string(data)).Reason).To(Equal(metav1.StatusReasonConflict), "the version is an old one")

	// Without UID and version it is meant for whatever is there; what identifies
	// it stays.
	next = c.must("PUT", leases+"/lab", "application/json", `{"metadata": {"name": "renamed"}, "spec": {}}`)
	c.Expect(meta(next)).To(And(HaveKeyWithValue("name", "lab"), HaveKeyWithValue("uid", uid), HaveKeyWithValue("namespace", "kube-node-lease")))
	next = c.must("PATCH", leases+"/lab", merge, `{"metadata": {"uid": null, "labels": {"b": "2"}}, "kind": null}`)
	c.Expect(meta(next)["uid"]).To(Equal(uid))
	c.Expect(meta(next)["labels"]).To(Equal(map[string]any{"b": "2"}))
	c.Expect(next["kind"]).To(Equal("Lease"))
}

// A pod is deleted in two steps: it is marked, the kubelet ends it and confirms.
func TestDeletePod(t *testing.T) {
	c := start(t)
	c.must("POST", pods, "application/json", podA)
	marked := c.must("DELETE", pods+"/a", "application/json", `{"gracePeriodSeconds": 2, "preconditions": {"uid": "u-a"}}`)
	c.Expect(meta(marked)).To(And(
		HaveKeyWithValue("deletionGracePeriodSeconds", 2.0),
		HaveKeyWithValue("deletionTimestamp", "2026-05-04T12:00:02Z")))
	again := c.must("DELETE", pods+"/a", "application/json", `{"gracePeriodSeconds": 60}`)
	c.Expect(meta(again)).To(HaveKeyWithValue("deletionGracePeriodSeconds", 2.0))
	put := c.must("PUT", pods+"/a", "application/json", podA)
	c.Expect(meta(put)).To(HaveKey("deletionTimestamp"), "a deletion is not undone")
	c.must("PATCH", pods+"/a/status", strategic, `{"status": {"phase": "Succeeded"}}`)

	wrong := `{"gracePeriodSeconds": 0, "preconditions": {"uid": "another"}}`
	c.Expect(c.refused("DELETE", pods+"/a", "application/json", wrong).Reason).To(Equal(metav1.StatusReasonConflict))
	gone := c.must("DELETE", pods+"/a", "application/json", `{"gracePeriodSeconds": 0, "preconditions": {"uid": "u-a"}}`)
	c.Expect(gone["status"]).To(Equal(map[string]any{"phase": "Succeeded"}))
	c.Expect(c.refused("GET", pods+"/a", "", "").Reason).To(Equal(metav1.StatusReasonNotFound))
	c.must("POST", pods, "application/json", podA) // the name is free again
	c.Expect(c.refused("DELETE", pods+"/a", "application/json", `{"preconditions": {"uid": "another"}}`).Reason).To(Equal(metav1.StatusReasonConflict))
}

func TestDeleteGrace(t *testing.T) {
	c := start(t)
	for name, r := range map[string]struct {
		spec, options string
		want          float64
	}{
		"default":    {`{}`, ``, 30},
		"of the pod": {`{"terminationGracePeriodSeconds": 7}`, `{}`, 7},
		"as asked":   {`{"terminationGracePeriodSeconds": 7}`, `{"gracePeriodSeconds": 3}`, 3},
	} {
		name = strings.ReplaceAll(name, " ", "-")
		c.must("POST", pods, "application/json", fmt.Sprintf(`{"metadata": {"name": %q}, "spec": %s}`, name, r.spec))
		c.Expect(meta(c.must("DELETE", pods+"/"+name, "application/json", r.options))).To(HaveKeyWithValue("deletionGracePeriodSeconds", r.want), name)
	}
	c.must("POST", "/api/v1/nodes", "application/json", `{"metadata": {"name": "lab"}}`)
	c.must("DELETE", "/api/v1/nodes/lab", "", "")
	c.Expect(c.refused("GET", "/api/v1/nodes/lab", "", "").Reason).To(Equal(metav1.StatusReasonNotFound), "what is no pod goes at once")
}

func TestVersion(t *testing.T) {
	g := NewWithT(t)
	s := New(func() time.Time { return noon })
	ask := func(method, path, body string) {
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, strings.NewReader(body)))
	}
	g.Expect(s.Version("pods")).To(BeZero())
	ask("POST", pods, podA)
	first := s.Version("pods")
	g.Expect(first).NotTo(BeZero())
	ask("POST", "/api/v1/nodes", `{"metadata": {"name": "lab"}}`)
	ask("GET", pods, "")
	ask("POST", pods, podA)
	g.Expect(s.Version("pods")).To(Equal(first), "only a change of pods is one")
	ask("DELETE", pods+"/a", `{"gracePeriodSeconds": 0}`)
	g.Expect(s.Version("pods")).To(BeNumerically(">", first))
}

// watcher reads the lines of a watch.
type watcher struct {
	*WithT
	lines *json.Decoder
	close func() error
}

func (c client) watch(path string, query url.Values) watcher {
	query.Set("watch", "true")
	answer, err := http.Get(c.url + path + "?" + query.Encode())
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(answer.StatusCode).To(Equal(http.StatusOK))
	return watcher{c.WithT, json.NewDecoder(answer.Body), answer.Body.Close}
}

// next is the next line: "ADDED a 1".
func (w watcher) next() string {
	var e struct {
		Type   string
		Object metav1.PartialObjectMetadata
	}
	w.Expect(w.lines.Decode(&e)).To(Succeed())
	if e.Object.Annotations[metav1.InitialEventsAnnotationKey] == "true" {
		e.Type += " end of the list"
	}
	w.Expect(e.Object.Kind).NotTo(BeEmpty())
	return strings.TrimSpace(e.Type + " " + e.Object.Name + " " + e.Object.ResourceVersion)
}

func TestWatch(t *testing.T) {
	c := start(t)
	c.must("POST", pods, "application/json", podA)
	list := c.must("GET", pods, "", "")
	w := c.watch(pods, url.Values{"resourceVersion": {meta(list)["resourceVersion"].(string)}})
	defer w.close()
	c.must("POST", "/api/v1/nodes", "application/json", `{"metadata": {"name": "lab", "uid": "n"}}`)
	c.must("POST", pods, "application/json", `{"metadata": {"name": "b", "uid": "u-b"}}`)
	c.must("PATCH", pods+"/a/status", strategic, `{"status": {"phase": "Running"}}`)
	c.must("DELETE", pods+"/a", "application/json", `{}`)
	c.must("DELETE", pods+"/a", "application/json", `{"gracePeriodSeconds": 0}`)
	c.must("POST", "/api/v1/namespaces/other/pods", "application/json", `{"metadata": {"name": "z", "uid": "u-z"}}`)
	c.must("POST", pods, "application/json", podA)
	for _, want := range []string{"ADDED b 3", "MODIFIED a 4", "MODIFIED a 5", "DELETED a 6", "ADDED a 8"} {
		c.Expect(w.next()).To(Equal(want))
	}
}

func TestWatchInitialEvents(t *testing.T) {
	c := start(t)
	c.must("POST", pods, "application/json", podA)
	c.must("POST", pods, "application/json", `{"metadata": {"name": "b", "uid": "u-b"}}`)
	c.must("DELETE", pods+"/b", "application/json", `{"gracePeriodSeconds": 0}`)
	c.must("PATCH", pods+"/a/status", strategic, `{"status": {"phase": "Running"}}`)
	w := c.watch("/api/v1/pods", url.Values{"sendInitialEvents": {"true"}, "resourceVersionMatch": {"NotOlderThan"}, "allowWatchBookmarks": {"true"}})
	defer w.close()
	c.Expect(w.next()).To(Equal("ADDED a 4"))
	c.Expect(w.next()).To(Equal("BOOKMARK end of the list  4"))
	c.must("DELETE", pods+"/a", "application/json", `{"gracePeriodSeconds": 0}`)
	c.Expect(w.next()).To(Equal("DELETED a 5"))
}

// A kubelet watches single config maps and its own node by name.
func TestWatchOneName(t *testing.T) {
	c := start(t)
	one := url.Values{"fieldSelector": {"metadata.name=lab"}, "sendInitialEvents": {"true"}}
	w := c.watch("/api/v1/nodes", one)
	defer w.close()
	c.Expect(w.next()).To(Equal("BOOKMARK end of the list  0"))
	for _, name := range []string{"other", "lab"} {
		c.must("POST", "/api/v1/nodes", "application/json", fmt.Sprintf(`{"metadata": {"name": %q, "uid": "n"}}`, name))
	}
	c.Expect(w.next()).To(Equal("ADDED lab 2"))
}

// plain is a writer that cannot stream.
type plain struct {
	http.ResponseWriter
}

func TestWatchWithoutStreaming(t *testing.T) {
	g := NewWithT(t)
	w := httptest.NewRecorder()
	New(time.Now).ServeHTTP(plain{w}, httptest.NewRequest("GET", pods+"?watch=1", nil))
	g.Expect(w.Code).To(Equal(http.StatusInternalServerError))
	g.Expect(w.Body.String()).To(ContainSubstring("cannot stream"))
}

// Many writers and a watcher: every change is seen once, in the order of the
// versions.
func TestWatchWhileWriting(t *testing.T) {
	c := start(t)
	w := c.watch(pods, url.Values{"sendInitialEvents": {"true"}})
	defer w.close()
	const writers, each = 4, 10
	failed := make(chan error, writers)
	for i := range writers {
		go func() {
			failed <- func() error {
				for j := range each {
					body := fmt.Sprintf(`{"metadata": {"name": "p-%d-%d", "uid": "u"}}`, i, j)
					answer, err := http.Post(c.url+pods, "application/json", strings.NewReader(body))
					if err != nil {
						return err
					}
					if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusCreated {
						return fmt.Errorf("%s: %w", answer.Status, err)
					}
				}
				return nil
			}()
		}()
	}
	c.Expect(w.next()).To(Or(HavePrefix("BOOKMARK"), HavePrefix("ADDED")))
	last := 0
	for seen := 0; seen < writers*each; {
		var e event
		c.Expect(w.lines.Decode(&e)).To(Succeed())
		if e.Type == "BOOKMARK" {
			continue
		}
		var version int
		_, err := fmt.Sscan(e.Object.meta()["resourceVersion"].(string), &version)
		c.Expect(err).NotTo(HaveOccurred())
		c.Expect(version).To(BeNumerically(">", last))
		last = version
		if seen++; version == writers*each {
			break
		}
	}
	c.Expect(last).To(Equal(writers * each))
	for range writers {
		c.Expect(<-failed).To(Succeed())
	}
}

func TestObjectsAreNotShared(t *testing.T) {
	g := NewWithT(t)
	s := newStore()
	p, _ := parsePath(pods + "/a")
	first, ok := s.create(p, object{"metadata": map[string]any{"name": "a"}})
	g.Expect(ok).To(BeTrue())
	before, err := json.Marshal(first)
	g.Expect(err).NotTo(HaveOccurred())
	_, _, err = s.update(p, func(o object) (object, error) {
		o.meta()["labels"] = "changed"
		o["status"] = "changed"
		return o, nil
	})
	g.Expect(err).NotTo(HaveOccurred())
	after, err := json.Marshal(first)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(after).To(Equal(before), "what was handed out does not change")
	g.Expect(bytes.Contains(after, []byte("changed"))).To(BeFalse())
}
