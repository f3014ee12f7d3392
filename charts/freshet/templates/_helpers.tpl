{{- define "freshet.operator" -}}
{{ printf "%s-operator" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "freshet.account" -}}
{{ .Values.serviceAccount.name | default (include "freshet.operator" .) }}
{{- end }}

{{- define "freshet.tag" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "freshet.cluster" -}}
{{ .Values.cluster.name | default .Release.Name }}
{{- end }}

{{- define "freshet.bootstrap" -}}
{{- if .Values.test.bootstrapServers }}
{{- .Values.test.bootstrapServers }}
{{- else if .Values.cluster.enabled }}
{{- $listeners := .Values.cluster.spec.listeners | default (list (dict "port" 9092)) }}
{{- $listener := first $listeners }}
{{- /* Others send clients in Kubernetes to addresses for those outside. */}}
{{- range reverse $listeners }}
{{- if eq (.type | default "internal") "internal" }}
{{- $listener = . }}
{{- end }}
{{- end }}
{{- printf "%s-bootstrap.%s.svc:%v" (include "freshet.cluster" .) .Release.Namespace $listener.port }}
{{- end }}
{{- end }}

{{/* app.kubernetes.io/name is what clusters' network policies let in. */}}
{{- define "freshet.selector" -}}
app.kubernetes.io/name: freshet-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "freshet.labels" -}}
{{ include "freshet.selector" . }}
app.kubernetes.io/part-of: freshet
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
