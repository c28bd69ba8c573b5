package apiserver

import (
	"encoding/json"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestParsePath(t *testing.T) {
	for path, want := range map[string]resourcePath{
		"/api/v1/pods":                                  {version: "v1", resource: "pods"},
		"/api/v1/nodes/lab":                             {version: "v1", resource: "nodes", name: "lab"},
		"/api/v1/nodes/lab/status":                      {version: "v1", resource: "nodes", name: "lab", sub: "status"},
		"/api/v1/namespaces":                            {version: "v1", resource: "namespaces"},
		"/api/v1/namespaces/default":                    {version: "v1", resource: "namespaces", name: "default"},
		"/api/v1/namespaces/default/pods":               {version: "v1", namespace: "default", resource: "pods"},
		"/api/v1/namespaces/default/pods/a":             {version: "v1", namespace: "default", resource: "pods", name: "a"},
		"/api/v1/namespaces/default/pods/a/status/":     {version: "v1", namespace: "default", resource: "pods", name: "a", sub: "status"},
		"/apis/node.k8s.io/v1/runtimeclasses":           {group: "node.k8s.io", version: "v1", resource: "runtimeclasses"},
		"/apis/storage.k8s.io/v1/csinodes/lab":          {group: "storage.k8s.io", version: "v1", resource: "csinodes", name: "lab"},
		"/apis/events.k8s.io/v1/namespaces/x/events/e1": {group: "events.k8s.io", version: "v1", namespace: "x", resource: "events", name: "e1"},
	} {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			got, ok := parsePath(path)
			g.Expect(ok).To(BeTrue())
			g.Expect(got).To(Equal(want))
		})
	}
	for _, path := range []string{
		"", "/", "/api", "/api/v1", "/apis/apps/v1", "/api/v1/widgets", "/api/v1/namespaces/x/status", "/api/v1/nodes/lab/proxy/metrics",
		"/version", "/api/v1//pods",
	} {
		_, ok := parsePath(path)
		NewWithT(t).Expect(ok).To(BeFalse(), path)
	}
}

// A path that can be read names a kind, and says the same when it is written.
func FuzzParsePath(f *testing.F) {
	for _, path := range []string{
		"/api/v1/pods", "/api/v1/namespaces/default/pods/a/status", "/apis/coordination.k8s.io/v1/namespaces/x/leases/lab",
		"/api/v1/namespaces//pods", "/api//pods", "//", "/apis/a/b/namespaces/c/namespaces/d",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		p, ok := parsePath(path)
		if !ok {
			return
		}
		if p.kind() == "" {
			t.Fatalf("%q: no kind", path)
		}
		again := "/api/" + p.version
		if p.group != "" || strings.HasPrefix(strings.Trim(path, "/"), "apis") {
			again = "/apis/" + p.group + "/" + p.version
		}
		if p.namespace != "" {
			again += "/namespaces/" + p.namespace
		}
		again += "/" + p.resource
		for _, part := range []string{p.name, p.sub} {
			if part != "" {
				again += "/" + part
			}
		}
		if p.name == "" && p.sub != "" || p.version == "" || strings.Contains(path, "//") {
			return // an empty part does not show
		}
		if q, ok := parsePath(again); !ok || q != p {
			t.Fatalf("%q is %+v, written as %q it is %+v", path, p, again, q)
		}
	})
}

// A patch gives an object or an error, and never changes what it is given.
func FuzzPatch(f *testing.F) {
	for _, body := range []string{
		`{}`, `null`, `[]`, `{"metadata": null}`, `{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}`,
		`{"status": {"$setElementOrder/conditions": [{"type": "Ready"}], "conditions": [{"$patch": "delete", "type": "Ready"}]}}`,
		`{"$patch": "replace"}`, `{"spec": {"containers": [{"name": "app", "$patch": "delete"}]}}`, `{"kind": null}`,
		`{"metadata": {"$retainKeys": ["name"]}}`, `{"status": {"containerStatuses": [1]}}`,
	} {
		f.Add(true, []byte(body))
		f.Add(false, []byte(body))
	}
	p, _ := parsePath(pods + "/a/status")
	f.Fuzz(func(t *testing.T, byKeys bool, body []byte) {
		old := object{
			"kind": "Pod", "metadata": map[string]any{"name": "a", "uid": "u"},
			"spec":   map[string]any{"containers": []any{map[string]any{"name": "app"}}},
			"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False"}}},
		}
		kind := merge
		if byKeys {
			kind = strategic
		}
		s := newStore()
		s.create(p, old)
		before, err := json.Marshal(old)
		if err != nil {
			t.Fatal(err)
		}
		o, found, err := s.update(p, func(old object) (object, error) { return patch(p, kind, old, body) })
		if after, _ := json.Marshal(old); string(after) != string(before) {
			t.Fatalf("%s has changed the stored object from %s to %s", body, before, after)
		}
		if !found {
			t.Fatal("not found")
		}
		if err == nil && (o.meta()["uid"] != "u" || o.meta()["name"] != "a" || o["kind"] != "Pod") {
			t.Fatalf("%s makes %v", body, o)
		}
	})
}
