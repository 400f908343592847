{{- /* What several templates need. The names of objects are fixed: rcm-node is installed once in a cluster. */}}

{{- define "rcm-node.namespace" -}}
{{ .Values.namespace.name | default .Release.Namespace }}
{{- end }}

{{- define "rcm-node.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* ValidatingAdmissionPolicy v1, and the AppArmor profile as a field. */}}
{{- define "rcm-node.hasPolicies" -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version }}true{{ end -}}
{{- end }}

{{- /* v1 wherever it is: a release that names v1beta3 cannot be upgraded once the server has it no more. */}}
{{- define "rcm-node.flowSchema" -}}
{{ semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version | ternary "v1" "v1beta3" }}
{{- end }}

{{- define "rcm-node.arguments" -}}
{{- $arguments := list "bootstrap" }}
{{- if .uninstall }}
{{- $arguments = append $arguments "--uninstall" }}
{{- else }}
{{- if eq .Values.identity "serviceaccount" }}{{ $arguments = concat $arguments (list "--token" "/identity/token") }}{{ end }}
{{- if .Values.nodes.downgrade }}{{ $arguments = append $arguments "--downgrade" }}{{ end }}
{{- if .Values.nodes.force }}{{ $arguments = append $arguments "--force" }}{{ end }}
{{- end }}
{{- toJson $arguments }}
{{- end }}

{{- /* config.toml with the identity, which the chart alone writes where there is no table for it. */}}
{{- define "rcm-node.config" -}}
{{- $settings := .Values.settings | trim }}
{{- $table := regexMatch `(?m)^[ \t]*(\[[ \t]*cluster[ \t]*\]|cluster[ \t]*[.=])` $settings }}
{{- $says := regexMatch `(?m)^[^#\n]*identity[ \t]*=[ \t]*["']serviceaccount["']` $settings }}
{{- if eq .Values.identity "serviceaccount" }}
{{- if and $table (not $says) }}
{{- fail "settings has a table [cluster]: add identity = \"serviceaccount\" to it, since identity is serviceaccount" }}
{{- end }}
{{- with $settings }}{{ . }}{{ "\n" }}{{ end }}
{{- if not $says }}[cluster]{{ "\n" }}identity = "serviceaccount"{{ "\n" }}{{ end }}
{{- else }}
{{- if $says }}{{ fail "settings has identity = \"serviceaccount\": set the value identity: serviceaccount, too, which gives nodes their tokens" }}{{ end }}
{{- with $settings }}{{ . }}{{ "\n" }}{{ end }}
{{- end }}
{{- end }}

{{- /* The data of the ConfigMap; empty where there is none. */}}
{{- define "rcm-node.settings" -}}
{{- $data := deepCopy (.Values.files | default dict) }}
{{- with include "rcm-node.config" . }}{{ $_ := set $data "config.toml" . }}{{ end }}
{{- if $data }}{{ toYaml $data }}{{ end }}
{{- end }}
