{{/*
The objects of the chart are those of manifests/, a link to the manifests of the repository that a packaged chart contains as
files. The templates change what the values name, and nothing else.
*/}}

{{/* The image of the operator. */}}
{{- define "casskop.image" -}}
{{- $image := .Values.image -}}
{{- $tag := $image.tag -}}
{{- if not (or $tag $image.digest) }}{{ $tag = .Chart.AppVersion }}{{ end -}}
{{- $image.repository }}{{ with $tag }}:{{ . }}{{ end }}{{ with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The namespace of the clusters; empty: all. */}}
{{- define "casskop.watched" -}}
{{- if ne .Values.watchNamespace "*" }}{{ .Values.watchNamespace | default .Release.Namespace }}{{ end }}
{{- end }}

{{/* The objects of a folder of manifests/, each passed through the template `change`. */}}
{{- define "casskop.objects" -}}
{{- $chart := .chart }}
{{- $change := .change }}
{{- $files := $chart.Files.Glob (printf "manifests/%s/*.yaml" .folder) }}
{{- if not $files }}
{{- fail (printf "the chart lacks manifests/%s: package it from a checkout in which manifests is a symbolic link" .folder) }}
{{- end }}
{{- range $path, $file := $files }}
{{- range regexSplit "(?m)^---$" ($chart.Files.Get $path) -1 }}
{{- with fromYaml . }}
{{- with .Error }}{{ fail (printf "read %s: %s" $path .) }}{{ end }}
{{- $context := dict "chart" $chart "object" . }}
{{- include $change $context }}
{{- include "casskop.metadata" $context }}
---
{{ toYaml . }}
{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* No change. */}}
{{- define "casskop.unchanged" }}{{ end }}

{{- define "casskop.metadata" }}
{{- $chart := .chart }}
{{- $metadata := .object.metadata }}
{{- $own := dict "helm.sh/chart" (printf "%s-%s" $chart.Chart.Name ($chart.Chart.Version | replace "+" "_")) }}
{{- $_ := set $metadata "labels" (merge $own ($metadata.labels | default dict) $chart.Values.labels) }}
{{- with merge (dict) ($metadata.annotations | default dict) $chart.Values.annotations }}
{{- $_ := set $metadata "annotations" . }}
{{- end }}
{{- end }}

{{/* An operator: its permissions are where the clusters are, its account and its pods are in the namespace of the release. */}}
{{- define "casskop.operator" }}
{{- $object := .object }}
{{- $own := .chart.Release.Namespace }}
{{- $watched := include "casskop.watched" .chart }}
{{- if not (has $object.kind (list "Role" "RoleBinding")) }}
{{- $_ := set $object.metadata "namespace" $own }}
{{- else if $watched }}
{{- $_ := set $object.metadata "namespace" $watched }}
{{- else }}
{{- $_ := set $object "kind" (printf "Cluster%s" $object.kind) }}
{{- with $object.roleRef }}{{ $_ := set . "kind" "ClusterRole" }}{{ end }}
{{- end }}
{{- range $object.subjects }}{{ $_ := set . "namespace" $own }}{{ end }}
{{- if eq $object.kind "Deployment" }}{{ include "casskop.deployment" . }}{{ end }}
{{- end }}

{{- define "casskop.deployment" }}
{{- $values := .chart.Values }}
{{- $template := .object.spec.template }}
{{- $_ := set .object.spec "replicas" $values.replicas }}
{{- $_ := set $template.metadata "labels" (merge (dict) $template.metadata.labels $values.podLabels) }}
{{- with $values.podAnnotations }}{{ $_ := set $template.metadata "annotations" . }}{{ end }}
{{- range $field := list "imagePullSecrets" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" }}
{{- with get $values $field }}{{ $_ := set $template.spec $field . }}{{ end }}
{{- end }}
{{- include "casskop.container" (dict "chart" .chart "container" (first $template.spec.containers)) }}
{{- end }}

{{- define "casskop.container" }}
{{- $values := .chart.Values }}
{{- $image := include "casskop.image" .chart }}
{{- $watched := include "casskop.watched" .chart }}
{{- $_ := set .container "image" $image }}
{{- $_ := set .container "imagePullPolicy" $values.image.pullPolicy }}
{{- with $values.resources }}{{ $_ := set $.container "resources" . }}{{ end }}
{{- $settings := dict "BOOTSTRAP_IMAGE" $image "HOME_SITE" $values.multi.homeSite }}
{{- if ne $watched .chart.Release.Namespace }}{{ $_ := set $settings "WATCH_NAMESPACE" $watched }}{{ end }}
{{- range .container.env }}
{{- if hasKey $settings .name }}
{{- $_ := unset . "valueFrom" }}
{{- $_ := set . "value" (get $settings .name) }}
{{- end }}
{{- end }}
{{- range $name, $value := dict "LOG_FORMAT" $values.log.format "LOG_LEVEL" $values.log.level }}
{{- if $value }}{{ $_ := set $.container "env" (append $.container.env (dict "name" $name "value" $value)) }}{{ end }}
{{- end }}
{{- if and $watched (ne $watched .chart.Release.Namespace) }}
{{- $_ := set .container "args" (append .container.args (printf "--lease-namespace=%s" $watched)) }}
{{- end }}
{{- end }}
