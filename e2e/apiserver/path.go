package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// resourcePath is what a URL names.
type resourcePath struct {
	group, version, namespace, resource, name, sub string
}

// kinds are the resources that a kubelet asks for.
func kinds() map[string]string {
	return map[string]string{
		"pods": "Pod", "nodes": "Node", "services": "Service", "configmaps": "ConfigMap", "secrets": "Secret",
		"events": "Event", "namespaces": "Namespace", "serviceaccounts": "ServiceAccount",
		"persistentvolumes": "PersistentVolume", "persistentvolumeclaims": "PersistentVolumeClaim",
		"leases": "Lease", "runtimeclasses": "RuntimeClass", "csidrivers": "CSIDriver", "csinodes": "CSINode",
		"volumeattachments": "VolumeAttachment", "resourceslices": "ResourceSlice", "resourceclaims": "ResourceClaim",
		"clustertrustbundles": "ClusterTrustBundle", "podcertificaterequests": "PodCertificateRequest",
		"certificatesigningrequests": "CertificateSigningRequest",
	}
}

// parsePath reads /api/v1/… and /apis/GROUP/VERSION/….
func parsePath(path string) (resourcePath, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var p resourcePath
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		p.version, parts = parts[1], parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		p.group, p.version, parts = parts[1], parts[2], parts[3:]
	default:
		return p, false
	}
	if parts[0] == "namespaces" && len(parts) >= 3 {
		p.namespace, parts = parts[1], parts[2:]
	}
	p.resource = parts[0]
	if len(parts) > 1 {
		p.name = parts[1]
	}
	if len(parts) > 2 {
		p.sub = parts[2]
	}
	return p, len(parts) <= 3 && kinds()[p.resource] != ""
}

func (p resourcePath) kind() string { return kinds()[p.resource] }

func (p resourcePath) apiVersion() string {
	if p.group == "" {
		return p.version
	}
	return p.group + "/" + p.version
}

// key is the place of an object, whatever version of its group was asked for.
func (p resourcePath) key() string {
	return strings.Join([]string{p.group, p.resource, p.namespace, p.name}, "/")
}

var errPatchType = errors.New("no patch of this type")

// patch applies a patch of one of the kinds that clients send.
func patch(p resourcePath, contentType string, old object, body []byte) (object, error) {
	data, err := json.Marshal(old)
	if err != nil {
		return nil, err
	}
	kind, _, _ := strings.Cut(contentType, ";")
	switch types.PatchType(kind) {
	case types.StrategicMergePatchType:
		switch p.resource {
		case "pods":
			data, err = strategicpatch.StrategicMergePatch(data, body, corev1.Pod{})
		case "nodes":
			data, err = strategicpatch.StrategicMergePatch(data, body, corev1.Node{})
		case "events":
			data, err = strategicpatch.StrategicMergePatch(data, body, corev1.Event{})
		default:
			err = fmt.Errorf("no strategic merge patch for %s", p.resource)
		}
	case types.MergePatchType:
		data, err = jsonpatch.MergePatch(data, body)
	default:
		err = fmt.Errorf("%w: %q", errPatchType, contentType)
	}
	if err != nil {
		return nil, err
	}
	return decode(data)
}
