{{/* Name of all objects: the release's, with the chart's unless that is in it already. */}}
{{- define "cooper.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "cooper.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "cooper.name" .) }}
{{- end -}}

{{/* The operator as the API server knows it. */}}
{{- define "cooper.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "cooper.serviceAccount" . }}
{{- end -}}

{{- define "cooper.selector" -}}
app.kubernetes.io/name: cooper
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "cooper.labels" -}}
{{ include "cooper.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "cooper.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Plurals of the kinds in group upcloud.cooper.dev, as a YAML list. */}}
{{- define "cooper.kinds" -}}
[accounts, buckets, customdomains, iamgroups, iampolicies, iamroles, iamusers, objectstorageservices, staticwebsites]
{{- end -}}

{{/* What the operator needs in each namespace it works in. deploy/base/rbac.yaml says why. */}}
{{- define "cooper.rules" -}}
- apiGroups: [upcloud.cooper.dev]
  resources: {{ include "cooper.kinds" . }}
  verbs: [get, list, watch, patch, update]
- apiGroups: [upcloud.cooper.dev]
  resources:
    {{- range include "cooper.kinds" . | fromYamlArray }}
    - {{ . }}/status
    {{- end }}
  verbs: [patch, update]
- apiGroups: [upcloud.cooper.dev]
  resources:
    {{- range include "cooper.kinds" . | fromYamlArray }}
    - {{ . }}/finalizers
    {{- end }}
  verbs: [update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, update, delete]
{{- if .Values.secrets.watch }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [list, watch]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What it needs of the cluster. */}}
{{- define "cooper.clusterRules" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames:
    {{- range include "cooper.kinds" . | fromYamlArray }}
    - {{ . }}.upcloud.cooper.dev
    {{- end }}
  verbs: [get]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
{{- end -}}

{{- define "cooper.subjects" -}}
- kind: ServiceAccount
  name: {{ include "cooper.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
