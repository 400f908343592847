/** Which manifests of bootstrap/ are templates of the chart, under which conditions, and what values change in them. */

import {
  account,
  document,
  type Edit,
  flowSchema,
  forAccount,
  nodeSelector,
  ownImage,
  pullSecrets,
  replace,
} from './edits.ts';

export type Template = {
  /** Below `templates/`, where it is not the name in `bootstrap/`. */
  readonly as?: string;
  /** A condition of Helm for the whole file. */
  readonly when?: string;
  /** The name under which other templates include it. */
  readonly define?: string;
  /** It has {{ that Prometheus or Grafana read, and not Helm. */
  readonly literal?: true;
  readonly edits?: readonly Edit[];
};

const ofController = '.Values.controller.enabled';
/** ValidatingAdmissionPolicy is served from 1.30 on: before, RBAC alone limits the controller, as in kubernetes-1.28/. */
const withPolicies = '(include "rcm-node.hasPolicies" .)';
const rules = '.Values.monitoring.rules';
/** Behind the labels of the manifest, where these are all that there is. */
const labels = (values: string): Edit =>
  replace(
    /( {4}app\.kubernetes\.io\/name: .*\n)((?: {4}.*\n)*)/,
    `$1    {{- with omit (${values}.labels | default dict) "app.kubernetes.io/name" }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
`,
  );
const runbooks = replace(/runbook_url: docs\//g, `runbook_url: {{ ${rules}.documents | trimSuffix "/" }}/`);
const tokens = 'and (eq .Values.identity "serviceaccount") (not .uninstall)';

export const templates: Readonly<Record<string, Template>> = {
  'crd/shims.yaml': {
    when: '.Values.crd.create',
    edits: [
      replace(
        '  labels:\n    app.kubernetes.io/name: rcm-node\nspec:\n',
        `  labels:
    app.kubernetes.io/name: rcm-node
  {{- if .Values.crd.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
spec:
`,
      ),
      // No controller writes a status then, so nothing may wait for one.
      replace(/( +)default:\n +observedGeneration: 0\n/g, `$1{{- if ${ofController} }}\n$&$1{{- end }}\n`),
    ],
  },
  'manifests/namespace.yaml': {
    edits: [
      replace(
        'kind: Namespace\nmetadata:\n  name: rcm-node\n',
        'kind: Namespace\nmetadata:\n  name: {{ include "rcm-node.namespace" . | quote }}\n',
      ),
      document('Namespace', '.Values.namespace.create'),
    ],
  },
  'manifests/daemonset.yaml': {
    as: 'manifests/_daemonset.tpl',
    define: 'rcm-node.daemonSet',
    edits: [
      ownImage,
      pullSecrets,
      nodeSelector('nodes'),
      replace(
        '      maxUnavailable: 10%\n',
        '      maxUnavailable: {{ if .uninstall }}100%{{ else }}{{ .Values.nodes.maxUnavailable }}{{ end }}\n',
      ),
      replace(
        '      tolerations:\n        - operator: Exists\n',
        '      tolerations:\n        {{- toYaml .Values.nodes.tolerations | nindent 8 }}\n',
      ),
      replace('          args: [bootstrap]\n', '          args: {{ include "rcm-node.arguments" . }}\n'),
      replace(
        /image: registry\.k8s\.io\/pause(:\S+)/g,
        'image: {{ printf "%s$1" .Values.pause.repository | quote }}',
      ),
      replace(
        'serviceAccountName: rcm-node-bootstrap',
        `serviceAccountName: {{ if ${tokens} }}rcm-node{{ else }}rcm-node-bootstrap{{ end }}`,
      ),
      replace(
        '        kubectl.kubernetes.io/default-container: bootstrap\n',
        `        kubectl.kubernetes.io/default-container: bootstrap
        {{- with include "rcm-node.settings" . }}
        # The Pod reads them when it starts.
        checksum/settings: {{ sha256sum . }}
        {{- end }}
        {{- if not ${withPolicies} }}
        container.apparmor.security.beta.kubernetes.io/bootstrap: unconfined
        {{- end }}
`,
      ),
      // The field is known from 1.30 on.
      replace(
        /( +# AppArmor's .*\n)( +appArmorProfile:\n.*\n)/g,
        `        {{- if ${withPolicies} }}\n$1$2        {{- end }}\n`,
      ),
      replace(
        '              mountPath: /config\n              readOnly: true\n',
        `              mountPath: /config
              readOnly: true
            {{- if ${tokens} }}
            - name: token
              mountPath: /identity
              readOnly: true
            - name: identity
              mountPath: /host/var/lib/rcm-node/identity
            {{- end }}
`,
      ),
      replace(
        '            optional: true\n',
        `            optional: true
        {{- if ${tokens} }}
        - name: token
          projected:
            defaultMode: 256 # 0400, in which parsers of YAML differ
            sources:
              # It ends with this Pod; the service exchanges it within a minute for one that is bound to the Node.
              - serviceAccountToken:
                  path: token
                  expirationSeconds: 3600
        - name: identity
          hostPath:
            path: /var/lib/rcm-node/identity
            type: DirectoryOrCreate
        {{- end }}
`,
      ),
    ],
  },
  'manifests/shims-access.yaml': {
    edits: [
      forAccount(
        '    - subjects:\n        - kind: Group\n          group:\n            name: system:nodes',
        '    - subjects:\n        - kind: ServiceAccount\n          serviceAccount:\n            name: rcm-node\n            namespace: {{ include "rcm-node.namespace" . | quote }}',
      ),
      flowSchema,
      document('ClusterRole', 'ne .Values.identity "serviceaccount"'),
      document('ClusterRoleBinding', 'ne .Values.identity "serviceaccount"'),
    ],
  },
  'manifests/shims-roles.yaml': {},
  'controller/access.yaml': { when: ofController },
  'controller/lease-access.yaml': {
    when: ofController,
    edits: [
      forAccount('  - apiGroup: rbac.authorization.k8s.io\n    kind: Group\n    name: system:nodes', account),
      flowSchema,
    ],
  },
  'controller/policies.yaml': { when: `and ${ofController} ${withPolicies}` },
  'controller/deployment.yaml': {
    when: ofController,
    edits: [
      ownImage,
      pullSecrets,
      nodeSelector('controller'),
      replace('  replicas: 2\n', '  replicas: {{ .Values.controller.replicas }}\n'),
      replace('":8081"]\n', '":8081"{{ if .Values.knative.enabled }}, --knative{{ end }}]\n'),
      replace(
        'rcm-starting\n          operator: Exists\n',
        `rcm-starting
          operator: Exists
        {{- with .Values.controller.tolerations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
`,
      ),
      replace(
        /( {10}resources:\n)((?: {12}.*\n)+)/g,
        '$1            {{- toYaml .Values.controller.resources | nindent 12 }}\n',
      ),
      replace(
        /( {2}annotations:\n(?: {4}prometheus\.io.*\n)+)/g,
        '  {{- if .Values.monitoring.scrapeAnnotations }}\n$1  {{- end }}\n',
      ),
    ],
  },
  'knative/access.yaml': {
    when: `and ${ofController} .Values.knative.enabled`,
    edits: [
      document('ValidatingAdmissionPolicy', withPolicies),
      document('ValidatingAdmissionPolicyBinding', withPolicies),
    ],
  },
  'network-policy/controller.yaml': {
    when: `and ${ofController} .Values.networkPolicy.enabled`,
    edits: [
      replace(
        /( {8}- protocol: TCP\n {10}port: \d+\n)+/g,
        `        {{- range .Values.networkPolicy.apiServerPorts }}
        - protocol: TCP
          port: {{ . }}
        {{- end }}
`,
      ),
    ],
  },
  'monitoring/nodes-rules.yaml': {
    when: `${rules}.enabled`,
    literal: true,
    edits: [labels(rules), runbooks],
  },
  'monitoring/controller-rules.yaml': {
    when: `and ${ofController} ${rules}.enabled`,
    literal: true,
    edits: [labels(rules), runbooks],
  },
  'monitoring/controller-monitor.yaml': {
    when: `and ${ofController} .Values.monitoring.serviceMonitor.enabled`,
    edits: [labels('.Values.monitoring.serviceMonitor')],
  },
  'monitoring/dashboard.yaml': {
    when: '.Values.monitoring.dashboard.enabled',
    literal: true,
    edits: [labels('.Values.monitoring.dashboard')],
  },
  'serviceaccount/identity.yaml': { when: 'eq .Values.identity "serviceaccount"' },
  'serviceaccount/policies.yaml': { when: 'eq .Values.identity "serviceaccount"' },
  'policies/settings.yaml': {
    when: '.Values.policies.enabled',
    edits: [
      replace(
        'reservedHandlers: ""',
        'reservedHandlers: {{ join " " .Values.policies.reservedHandlers | quote }}',
      ),
      replace('allowedHosts: ""', 'allowedHosts: {{ join " " .Values.policies.allowedHosts | quote }}'),
      replace('allowHttp: "false"', 'allowHttp: {{ .Values.policies.allowHttp | quote }}'),
      replace('allowUnpinned: "false"', 'allowUnpinned: {{ .Values.policies.allowUnpinned | quote }}'),
    ],
  },
  'policies/shims.yaml': { when: '.Values.policies.enabled' },
};
