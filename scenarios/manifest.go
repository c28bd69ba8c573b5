package scenarios

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// workloads are the kinds that pods are taken from, with their API.
func workloads() map[string]string {
	return map[string]string{
		"Pod": "v1", "PodTemplate": "v1", "ReplicationController": "v1",
		"Deployment": "apps/v1", "ReplicaSet": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1",
		"Job": "batch/v1", "CronJob": "batch/v1",
	}
}

// podFile reads every pod of a file, which may hold several documents and other
// objects beside the workloads.
func (l *loading) podFile(name string, line int) []podSource {
	before := l.problems.count()
	docs, shown := l.readYAML(name, line, "createPod.file")
	var sources []podSource
	for _, doc := range docs {
		if doc != nil {
			sources = append(sources, l.manifest(doc, shown, false)...)
		}
	}
	if len(sources) == 0 && l.problems.count() == before {
		l.errorf(line, "createPod.file: %s holds no pods", quote(name))
	}
	return sources
}

// manifest reads the pods of one object. An object that has no pods is an error
// when it must have some, and passed over otherwise.
func (l *loading) manifest(n *node, file string, must bool) []podSource {
	d := &decoder{file: file, problems: l.problems, tables: l.tables}
	if n.kind != mapping {
		d.wrong(n, nil, "a manifest")
		return nil
	}
	kind, version := n.text("kind"), n.text("apiVersion")
	if kind == "List" || kind == "PodList" {
		return l.listed(n, d)
	}
	kinds := workloads()
	want, ok := kinds[kind]
	switch {
	case !ok && kind == "":
		d.errorf(n.line, "manifest has no kind; want %s", orList(keys(kinds)))
		return nil
	case !ok && (must || nearKind(kind)):
		d.errorf(n.lineOf("kind"), "%s", unknown("kind", kind, keys(kinds)))
		return nil
	case !ok:
		return nil
	case version != want:
		d.errorf(n.lineOf("apiVersion"), "apiVersion %s of a %s is not known; want %q", quote(version), kind, want)
		return nil
	}
	return l.workload(kind, n, d)
}

// nearKind says that an unknown kind looks like a misspelt workload: passing it
// over in silence would lose its pods.
func nearKind(kind string) bool {
	near, _ := nearest(kind, keys(workloads()))
	return near != "" && len(kind) > 4
}

// listed reads the items of a List, as kubectl get -o yaml writes them.
func (l *loading) listed(n *node, d *decoder) []podSource {
	items := n.get("items")
	if items == nil || items.kind != sequence {
		d.errorf(n.line, "List has no items")
		return nil
	}
	var sources []podSource
	for _, item := range items.items {
		if kind := item.text("kind"); kind == "List" || kind == "PodList" {
			d.errorf(item.line, "a List inside of a List is not supported")
			continue
		}
		sources = append(sources, l.manifest(item, d.file, false)...)
	}
	return sources
}

// workload reads an object of one of the kinds with pods.
func (l *loading) workload(kind string, n *node, d *decoder) []podSource {
	switch kind {
	case "Pod":
		var o corev1.Pod
		d.into(n, &o, "")
		return []podSource{{pod: &o, file: d.file, node: n, count: 1}}
	case "PodTemplate":
		var o corev1.PodTemplate
		d.into(n, &o, "")
		return fromTemplate(d, n, n.get("template"), o.ObjectMeta, &o.Template, nil, 0)
	case "ReplicationController":
		var o corev1.ReplicationController
		d.into(n, &o, "")
		return fromTemplate(d, n, n.get("spec").get("template"), o.ObjectMeta, o.Spec.Template, o.Spec.Replicas, 0)
	case "Deployment":
		var o appsv1.Deployment
		d.into(n, &o, "")
		return fromTemplate(d, n, n.get("spec").get("template"), o.ObjectMeta, &o.Spec.Template, o.Spec.Replicas, 0)
	case "ReplicaSet":
		var o appsv1.ReplicaSet
		d.into(n, &o, "")
		return fromTemplate(d, n, n.get("spec").get("template"), o.ObjectMeta, &o.Spec.Template, o.Spec.Replicas, 0)
	case "StatefulSet":
		var o appsv1.StatefulSet
		d.into(n, &o, "")
		start := 0
		if o.Spec.Ordinals != nil {
			start = int(o.Spec.Ordinals.Start)
		}
		return fromTemplate(d, n, n.get("spec").get("template"), o.ObjectMeta, &o.Spec.Template, o.Spec.Replicas, start)
	case "DaemonSet":
		var o appsv1.DaemonSet
		d.into(n, &o, "")
		return fromTemplate(d, n, n.get("spec").get("template"), o.ObjectMeta, &o.Spec.Template, nil, 0)
	case "Job":
		var o batchv1.Job
		d.into(n, &o, "")
		return fromTemplate(d, n, n.get("spec").get("template"), o.ObjectMeta, &o.Spec.Template, parallel(&o.Spec), 0)
	}
	var o batchv1.CronJob
	d.into(n, &o, "")
	job := &o.Spec.JobTemplate.Spec
	return fromTemplate(d, n, n.get("spec").get("jobTemplate").get("spec").get("template"), o.ObjectMeta, &job.Template, parallel(job), 0)
}

// parallel is the number of pods a Job runs at a time.
func parallel(job *batchv1.JobSpec) *int32 {
	if job.Parallelism == nil || job.Completions == nil {
		return job.Parallelism
	}
	return new(min(*job.Parallelism, *job.Completions))
}

// fromTemplate makes the pod of a workload's template, as its controller would
// but for the name: NAME-0, NAME-1 …, which is a StatefulSet's own way and can
// be referred to.
func fromTemplate(d *decoder, n, at *node, meta metav1.ObjectMeta, template *corev1.PodTemplateSpec, replicas *int32, start int) []podSource {
	if at == nil || template == nil {
		d.errorf(n.line, "%s has no pod template", n.text("kind"))
		return nil
	}
	count := 1
	if replicas != nil {
		count = int(*replicas)
	}
	switch {
	case count < 1:
		d.errorf(n.line, "%s %s has %d replicas, so it creates no pod", n.text("kind"), quote(meta.Name), count)
		return nil
	case count > maxReplicas:
		d.errorf(n.line, "%s %s has %d replicas; at most %d", n.text("kind"), quote(meta.Name), count, maxReplicas)
		return nil
	case start < 0:
		d.errorf(n.line, "%s %s starts at ordinal %d; want 0 or more", n.text("kind"), quote(meta.Name), start)
		return nil
	case meta.Name == "":
		d.errorf(n.line, "%s has no name", n.text("kind"))
		return nil
	}
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.Name, pod.GenerateName, pod.Namespace, pod.UID = meta.Name, "", meta.Namespace, ""
	return []podSource{{pod: pod, file: d.file, node: at, numbered: true, first: start, count: count}}
}
