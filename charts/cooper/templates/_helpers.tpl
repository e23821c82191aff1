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
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
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

{{/* The CRDs of the providers asked for, by file. As YAML. */}}
{{- define "cooper.crds" -}}
{{- $crds := dict }}
{{- $known := list }}
{{- range $path, $text := .Files.Glob "files/crds/*_*.yaml" }}
{{- $provider := base $path | splitList "." | first }}
{{- $known = append $known $provider | uniq }}
{{- if has $provider $.Values.providers }}
{{- $_ := set $crds $path (toString $text | fromYaml) }}
{{- end }}
{{- end }}
{{- range .Values.providers }}
{{- if not (has . $known) }}
{{- fail (printf "providers: %q is not known; there is %s" . (join ", " $known)) }}
{{- end }}
{{- end }}
{{- toYaml $crds }}
{{- end -}}

{{/* Kinds by API group, as the CRDs say: {group: {kinds: [plural], issuers: [plural of those that issue keys]}}. As YAML. */}}
{{- define "cooper.groups" -}}
{{- $groups := dict }}
{{- range $path, $crd := include "cooper.crds" . | fromYaml }}
{{- $spec := $crd.spec }}
{{- $group := get $groups $spec.group | default (dict "kinds" list "issuers" list) }}
{{- $kinds := append $group.kinds $spec.names.plural }}
{{- $issuers := $group.issuers }}
{{- $schema := (last $spec.versions).schema.openAPIV3Schema }}
{{- if dig "properties" "status" "properties" "keys" nil $schema }}
{{- $issuers = append $issuers $spec.names.plural }}
{{- end }}
{{- $_ := set $groups $spec.group (dict "kinds" $kinds "issuers" $issuers) }}
{{- end }}
{{- toYaml $groups }}
{{- end -}}

{{/* What the operator needs in each namespace it works in. deploy/base/rbac.yaml says why. */}}
{{- define "cooper.rules" -}}
{{- range $group, $of := include "cooper.groups" . | fromYaml }}
- apiGroups: [{{ $group }}]
  resources: {{ $of.kinds | toJson }}
  verbs: [list, watch, patch]
{{- with $of.issuers }}
- apiGroups: [{{ $group }}]
  resources: {{ toJson . }}
  verbs: [get]
{{- end }}
- apiGroups: [{{ $group }}]
  resources:
    {{- range $of.kinds }}
    - {{ . }}/status
    {{- end }}
  verbs: [update]
- apiGroups: [{{ $group }}]
  resources:
    {{- range $of.kinds }}
    - {{ . }}/finalizers
    {{- end }}
  verbs: [update]
{{- end }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, update, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* What it needs of the cluster. */}}
{{- define "cooper.clusterRules" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames:
    {{- range $group, $of := include "cooper.groups" . | fromYaml }}
    {{- range without $of.kinds "accounts" }}
    - {{ . }}.{{ $group }}
    {{- end }}
    {{- end }}
  verbs: [get]
{{- end -}}

{{- define "cooper.subjects" -}}
- kind: ServiceAccount
  name: {{ include "cooper.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{- define "cooper.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
# Without it the group would be 0.
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "cooper.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
