/** How a manifest of bootstrap/ becomes a template: an edit that finds nothing to change is an error, so that none is lost. */

export type Edit = (text: string) => string;

/** `from` has to be there; `$` in `to` counts only where `from` is an expression. */
export const replace =
  (from: string | RegExp, to: string): Edit =>
  (text) => {
    const next = typeof from === 'string' ? text.replace(from, () => to) : text.replace(from, to);
    if (next === text) throw new Error(`there is no ${from}, which an edit of packaging/chart/ changes`);
    return next;
  };

/** The one document of this kind only under a condition of Helm. */
export const document =
  (kind: string, condition: string): Edit =>
  (text) => {
    const documents = text.split(/^---\n/m);
    const isMeant = (one: string): boolean => one.split('\n').includes(`kind: ${kind}`);
    if (documents.filter(isMeant).length !== 1)
      throw new Error(`there is not one ${kind}, which an edit of packaging/chart/ changes`);
    return documents
      .map((one) => (isMeant(one) ? `{{- if ${condition} }}\n${one}{{- end }}\n` : one))
      .join('---\n');
  };

/** `otherwise` where nodes speak with tokens of their own. */
export const forAccount = (text: string, otherwise: string): Edit =>
  replace(
    text,
    `{{- if eq .Values.identity "serviceaccount" }}\n${otherwise}\n{{- else }}\n${text}\n{{- end }}`,
  );

export const account = `  - kind: ServiceAccount
    name: rcm-node
    namespace: {{ include "rcm-node.namespace" . | quote }}`;

export const flowSchema = replace(
  'flowcontrol.apiserver.k8s.io/v1',
  'flowcontrol.apiserver.k8s.io/{{ include "rcm-node.flowSchema" . }}',
);
/** One map: a key that stands there twice is an error for some readers of YAML, and the last one counts for others. */
export const nodeSelector = (values: string): Edit =>
  replace(
    '      nodeSelector:\n        kubernetes.io/os: linux\n',
    `      nodeSelector:
        {{- toYaml (merge (dict "kubernetes.io/os" "linux") (.Values.${values}.nodeSelector | default dict)) | nindent 8 }}
`,
  );
export const ownImage = replace(
  /( +)image: rcm-node\n/g,
  `$1image: {{ include "rcm-node.image" . | quote }}
$1{{- with .Values.image.pullPolicy }}
$1imagePullPolicy: {{ . }}
$1{{- end }}
`,
);
export const pullSecrets = replace(
  '      enableServiceLinks: false\n',
  `      enableServiceLinks: false
      {{- with .Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
`,
);
export const namespace = (text: string): string =>
  text.replace(/namespace: rcm-node$/gm, 'namespace: {{ include "rcm-node.namespace" . | quote }}');
