{{- /* Written by packaging/chart/write.ts from bootstrap/manifests/daemonset.yaml: change that one, and run it again. */}}
{{- define "rcm-node.daemonSet" }}
# One Pod for each node. Its init container places rcm-node on the host and ends once the service reports; what stays is
# a container that does nothing. Deleting all of this leaves every node serving.
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: rcm-node-bootstrap
  namespace: {{ include "rcm-node.namespace" . | quote }}
  labels:
    app.kubernetes.io/name: rcm-node
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: rcm-node
  updateStrategy:
    rollingUpdate:
      # A version that does not come up stops the roll-out here; each of these nodes is back on the former version.
      maxUnavailable: {{ if .uninstall }}100%{{ else }}{{ .Values.nodes.maxUnavailable }}{{ end }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: rcm-node
      annotations:
        kubectl.kubernetes.io/default-container: bootstrap
        {{- with include "rcm-node.settings" . }}
        # The Pod reads them when it starts.
        checksum/settings: {{ sha256sum . }}
        {{- end }}
        {{- if not (include "rcm-node.hasPolicies" .) }}
        container.apparmor.security.beta.kubernetes.io/bootstrap: unconfined
        {{- end }}
    spec:
      serviceAccountName: {{ if and (eq .Values.identity "serviceaccount") (not .uninstall) }}rcm-node{{ else }}rcm-node-bootstrap{{ end }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- with .Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      # Also a full node, or one under pressure, must get its runtime configured.
      priorityClassName: system-node-critical
      tolerations:
        {{- toYaml .Values.nodes.tolerations | nindent 8 }}
      nodeSelector:
        {{- toYaml (merge (dict "kubernetes.io/os" "linux") (.Values.nodes.nodeSelector | default dict)) | nindent 8 }}
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
              - matchExpressions:
                  - key: kubernetes.io/arch
                    operator: In
                    values: [amd64, arm64]
                  # Nodes that never run such a Pod; controller/decide/rollout/unable.ts says what each one is.
                  - key: type
                    operator: NotIn
                    values: [virtual-kubelet, virtual-node, kwok]
                  - key: liqo.io/type
                    operator: NotIn
                    values: [virtual-node]
                  - key: virtual-node.interlink/type
                    operator: NotIn
                    values: [virtual-kubelet]
                  - key: virtualization
                    operator: NotIn
                    values: [virtualnode2]
                  - key: node.kubernetes.io/instance-type
                    operator: NotIn
                    values: [eklet]
                  - key: vcluster.loft.sh/fake-node
                    operator: DoesNotExist
                  - key: eks.amazonaws.com/compute-type
                    operator: NotIn
                    values: [fargate, auto]
                  # kubectl label node NODE rcm.spinkube.dev/bootstrap=skip: leave this one out.
                  - key: rcm.spinkube.dev/bootstrap
                    operator: NotIn
                    values: [skip]
                  # The controller marks nodes that are not ready for 15 minutes, and takes the mark off when they are back.
                  - key: away.spinkube.node-restriction.kubernetes.io/node
                    operator: DoesNotExist
      # None: the Pod of a dead node is gone from the API at once. Left there until its kubelet answers, it counts as unavailable
      # in every later roll-out. Nothing here needs time to end: bootstrap may be killed at any step.
      terminationGracePeriodSeconds: 0
      securityContext:
        seccompProfile:
          type: RuntimeDefault
        {{- if (include "rcm-node.hasPolicies" .) }}
        # AppArmor's default profile for containers keeps them off the host's D-Bus (Ubuntu, Debian).
        appArmorProfile:
          type: Unconfined
        {{- end }}
        # On SELinux hosts (Fedora, RHEL and kin) container_t may neither write below /opt and /etc nor talk to systemd.
        # Elsewhere this means nothing.
        seLinuxOptions:
          type: spc_t
      initContainers:
        - name: bootstrap
          image: {{ include "rcm-node.image" . | quote }}
          {{- with .Values.image.pullPolicy }}
          imagePullPolicy: {{ . }}
          {{- end }}
          args: {{ include "rcm-node.arguments" . }}
          env:
            # Nodes look for the controller's Lease in this namespace.
            - name: RCM_NODE_NAMESPACE
              valueFrom:
                fieldRef:
                  fieldPath: metadata.namespace
          # Errors show in kubectl describe, too.
          terminationMessagePolicy: FallbackToLogsOnError
          securityContext:
            # The folders below belong to root, and systemd obeys uid 0 alone. No capability is needed for either.
            runAsUser: 0
            runAsGroup: 0
            privileged: false
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          resources:
            requests:
              cpu: 10m
              memory: 64Mi
            limits:
              memory: 256Mi
          volumeMounts:
            - name: opt
              mountPath: /host/opt/rcm-node
            - name: etc
              mountPath: /host/etc/rcm-node
            - name: units
              mountPath: /host/etc/systemd/system
            - name: run
              mountPath: /host/run/rcm-node
              readOnly: true
            - name: dbus
              mountPath: /host/run/dbus
              readOnly: true
            - name: systemd
              mountPath: /host/run/systemd
              readOnly: true
            - name: settings
              mountPath: /config
              readOnly: true
            {{- if and (eq .Values.identity "serviceaccount") (not .uninstall) }}
            - name: token
              mountPath: /identity
              readOnly: true
            - name: identity
              mountPath: /host/var/lib/rcm-node/identity
            {{- end }}
      containers:
        - name: pause
          # By its digest, so that no registry says what runs here. It is that of the index for all platforms; a Dockerfile of
          # the Cilium authors (FROM registry.k8s.io/pause:3.10@sha256:…) and Rancher's mirrored-pause have the same one.
          image: {{ printf "%s:3.10@sha256:ee6521f290b2168b6e0935a181d4cff9be1ac3f505666ef0e3c98fae8199917a" .Values.pause.repository | quote }}
          securityContext:
            runAsUser: 65535
            runAsGroup: 65535
            runAsNonRoot: true
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          resources:
            requests:
              cpu: 1m
              memory: 4Mi
            limits:
              memory: 16Mi
      volumes:
        # The executable, and later the shims.
        - name: opt
          hostPath:
            path: /opt/rcm-node
            type: DirectoryOrCreate
        # Settings and local shims, if there is a ConfigMap.
        - name: etc
          hostPath:
            path: /etc/rcm-node
            type: DirectoryOrCreate
        # rcm-node.service, and the link that has it started at boot.
        - name: units
          hostPath:
            path: /etc/systemd/system
            type: DirectoryOrCreate
        # Where the service reports.
        - name: run
          hostPath:
            path: /run/rcm-node
            type: DirectoryOrCreate
        # systemd. Made where it is missing, so that the Pod starts and says what is wrong.
        - name: dbus
          hostPath:
            path: /run/dbus
            type: DirectoryOrCreate
        # The same without D-Bus, as on nodes of kind: systemd's own socket.
        - name: systemd
          hostPath:
            path: /run/systemd
            type: DirectoryOrCreate
        # Optional: config.toml is the node's settings, every other *.toml a file in shims.d (docs/install.md).
        - name: settings
          configMap:
            name: rcm-node-settings
            optional: true
        {{- if and (eq .Values.identity "serviceaccount") (not .uninstall) }}
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
{{- end }}
