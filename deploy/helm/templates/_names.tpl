{{- define "creditstream.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "creditstream.labels" -}}
app.kubernetes.io/name: creditstream
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "creditstream.selector" -}}
app.kubernetes.io/name: creditstream
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "creditstream.kafka" -}}
- name: CREDITSTREAM_BOOTSTRAP_SERVERS
  value: {{ .Values.kafka.bootstrapServers | quote }}
- name: CREDITSTREAM_TOPIC_PREFIX
  value: {{ .Values.kafka.topicPrefix | quote }}
- name: CREDITSTREAM_APP
  value: {{ .Values.kafka.app | quote }}
{{- range $name, $value := .Values.kafka.settings }}
- name: CREDITSTREAM_{{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- if .Values.kafka.passwordSecret }}
- name: CREDITSTREAM_SASL_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.kafka.passwordSecret }}
      key: {{ .Values.kafka.passwordKey }}
{{- end }}
{{- end }}

{{- define "creditstream.clickhouse" -}}
- name: CREDITSTREAM_CLICKHOUSE_HOST
  value: {{ .Values.clickhouse.host | quote }}
- name: CREDITSTREAM_CLICKHOUSE_PORT
  value: {{ .Values.clickhouse.port | quote }}
- name: CREDITSTREAM_CLICKHOUSE_USER
  value: {{ .Values.clickhouse.user | quote }}
- name: CREDITSTREAM_CLICKHOUSE_DATABASE
  value: {{ .Values.clickhouse.database | quote }}
- name: CREDITSTREAM_CLICKHOUSE_SECURE
  value: {{ .Values.clickhouse.secure | quote }}
{{- if .Values.clickhouse.passwordSecret }}
- name: CREDITSTREAM_CLICKHOUSE_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.clickhouse.passwordSecret }}
      key: {{ .Values.clickhouse.passwordKey }}
{{- end }}
{{- end }}

{{- define "creditstream.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "creditstream.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "creditstream.probes" -}}
# A stalled partition fails /healthz after 30 s; some tries more, so that a slow broker restarts nobody.
livenessProbe:
  httpGet: {path: /healthz, port: http}
  initialDelaySeconds: 30
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}
