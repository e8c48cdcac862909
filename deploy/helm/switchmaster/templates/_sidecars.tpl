{{/*
Containers for the Pods of another chart, which has this one as a dependency. The argument is a list: the values of this
chart (.Values.switchmaster there), and its Chart (.Subcharts.switchmaster.Chart there).

  initContainers:
    {{- include "switchmaster.relaySidecar" (list .Values.switchmaster .Subcharts.switchmaster.Chart) | nindent 4 }}
  volumes:
    {{- include "switchmaster.sidecarVolumes" (list .Values.switchmaster) | nindent 4 }}

A sidecar that starts before the application (restartPolicy in initContainers) needs Kubernetes 1.29.
*/}}

{{- define "switchmaster.image" -}}
{{- $image := index . 0 -}}
{{- $chart := index . 1 -}}
{{- $what := index . 2 -}}
{{- required (printf "%s.repository is needed: build deploy/Containerfile, and push the image" $what) $image.repository -}}
:{{ $image.tag | default $chart.AppVersion }}
{{- end -}}

{{- define "switchmaster.security" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "switchmaster.accessArguments" -}}
{{- $values := index . 0 -}}
{{- range $values.sentinels }}
- {{ . | quote }}
{{- else }}
{{- fail "sentinels are needed: HOST:PORT of some of them" }}
{{- end }}
{{- if $values.sentinelSecret.name }}
- --sentinel-password-file=/run/secrets/switchmaster/sentinel/{{ $values.sentinelSecret.key }}
{{- end }}
{{- if $values.nodeSecret.name }}
- --node-password-file=/run/secrets/switchmaster/node/{{ $values.nodeSecret.key }}
{{- end }}
{{- end -}}

{{- define "switchmaster.sidecarVolumes" -}}
{{- $values := index . 0 -}}
- name: switchmaster-run
  emptyDir: { medium: Memory, sizeLimit: 16Mi }
{{- if $values.sentinelSecret.name }}
- name: switchmaster-sentinel
  secret: { secretName: {{ $values.sentinelSecret.name }} }
{{- end }}
{{- if $values.nodeSecret.name }}
- name: switchmaster-node
  secret: { secretName: {{ $values.nodeSecret.name }} }
{{- end }}
{{- end -}}

{{- define "switchmaster.sidecarMounts" -}}
{{- $values := index . 0 -}}
- { name: switchmaster-run, mountPath: /run/switchmaster }
{{- if $values.sentinelSecret.name }}
- { name: switchmaster-sentinel, mountPath: /run/secrets/switchmaster/sentinel, readOnly: true }
{{- end }}
{{- if $values.nodeSecret.name }}
- { name: switchmaster-node, mountPath: /run/secrets/switchmaster/node, readOnly: true }
{{- end }}
{{- end -}}

{{- define "switchmaster.relaySidecar" -}}
{{- $values := index . 0 -}}
- name: switchmaster-relay
  image: {{ include "switchmaster.image" (list $values.image (index . 1) "image") }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  restartPolicy: Always
  # On the Pod's loopback it listens for this Pod alone, so it needs no password.
  args:
    - relay
    {{- include "switchmaster.accessArguments" . | indent 4 }}
    - --listen=127.0.0.1:{{ $values.relay.port }}
    {{- range $values.relay.arguments }}
    - {{ . | quote }}
    {{- end }}
  startupProbe:
    exec:
      command: [python3, -c, "import socket; socket.create_connection(('127.0.0.1', {{ $values.relay.port }}), 1).close()"]
    periodSeconds: 1
    failureThreshold: 30
  resources: {{ toYaml $values.relay.resources | nindent 4 }}
  securityContext: {{ include "switchmaster.security" . | nindent 4 }}
  volumeMounts: {{ include "switchmaster.sidecarMounts" . | nindent 4 }}
{{- end -}}

{{- define "switchmaster.proxySidecar" -}}
{{- $values := index . 0 -}}
- name: switchmaster-proxy
  image: {{ include "switchmaster.image" (list $values.proxyImage (index . 1) "proxyImage") }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  restartPolicy: Always
  # 0.0.0.0 is for the probes; whoever reaches the Pod reaches the ports, and the node's password protects the data.
  args:
    - proxy
    {{- include "switchmaster.accessArguments" . | indent 4 }}
    - --port={{ $values.proxy.port }}
    {{- if $values.proxy.readsPort }}
    - --reads-port={{ $values.proxy.readsPort }}
    {{- end }}
    - --health-port={{ $values.proxy.healthPort }}
    - --bind=0.0.0.0
    - --folder=/run/switchmaster/proxy
    {{- range $values.proxy.arguments }}
    - {{ . | quote }}
    {{- end }}
  startupProbe:
    httpGet: { path: /livez, port: {{ $values.proxy.healthPort }} }
    periodSeconds: 1
    failureThreshold: 30
  readinessProbe:
    httpGet: { path: /readyz, port: {{ $values.proxy.healthPort }} }
  livenessProbe:
    httpGet: { path: /livez, port: {{ $values.proxy.healthPort }} }
  resources: {{ toYaml $values.proxy.resources | nindent 4 }}
  securityContext: {{ include "switchmaster.security" . | nindent 4 }}
  volumeMounts: {{ include "switchmaster.sidecarMounts" . | nindent 4 }}
{{- end -}}
