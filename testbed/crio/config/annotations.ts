/**
 * Annotations that a handler may allow: `AllAllowedAnnotations` in CRI-O 1.36.3's pkg/annotations/v2. Those that it does not
 * name, and what begins with one of them, are taken off Pods and containers.
 */

export const knownAnnotations: readonly string[] = [
  'io.kubernetes.cri.rdt-class',
  'bundle',
  'org.systemd.property.',
  'org.criu.config',
  'module.wasm.image/variant',
  'io.kubernetes.cri.container-type',
  'run.oci.',
  ...[
    'cgroup2-mount-hierarchy-rw',
    'cpu-c-states',
    'cpu-freq-governor',
    'cpu-load-balancing',
    'cpu-quota',
    'cpu-shared',
    'devices',
    'disable-fips',
    'irq-load-balancing',
    'link-logs',
  ].map((name) => `${name}.crio.io`),
  'io.containers.trace-syscall',
  ...[
    'platform-runtime-path',
    'pod-linux-overhead',
    'pod-linux-resources',
    'seccomp-notifier-action',
    'seccomp-profile',
    'shm-size',
    'spoofed',
  ].map((name) => `${name}.crio.io`),
  'org.opencontainers.image.stopSignal',
  ...['try-skip-volume-selinux-label', 'umask', 'unified-cgroup', 'userns-mode'].map(
    (name) => `${name}.crio.io`,
  ),
  ...[
    'cgroup2-mount-hierarchy-rw',
    'Devices',
    'DisableFIPS',
    'LinkLogs',
    'PlatformRuntimePath',
    'PodLinuxOverhead',
    'PodLinuxResources',
    'seccompNotifierAction',
    'ShmSize',
    'Spoofed',
    'TrySkipVolumeSELinuxLabel',
    'umask',
    'UnifiedCgroup',
    'userns-mode',
  ].map((name) => `io.kubernetes.cri-o.${name}`),
  'seccomp-profile.kubernetes.cri-o.io',
];

export const disallowedBy = (allowed: readonly string[]): readonly string[] =>
  knownAnnotations.filter((name) => !allowed.includes(name));

/** What is left of a Pod's or container's annotations. */
export const filtered = (
  annotations: Readonly<Record<string, string>>,
  allowed: readonly string[],
): Readonly<Record<string, string>> => {
  const disallowed = disallowedBy(allowed);
  return Object.fromEntries(
    Object.entries(annotations).filter(([key]) => !disallowed.some((name) => key.startsWith(name))),
  );
};
