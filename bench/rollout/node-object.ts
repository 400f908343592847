/** Node objects as kubelets make them. */

export const nodeNames = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `node-${String(at).padStart(5, '0')}`);

export const conditions = (): readonly object[] => {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const pressures = ['Memory', 'Disk', 'PID'].map((what) => ({
    type: `${what}Pressure`,
    status: 'False',
    reason: `KubeletHasSufficient${what}`,
    message: `kubelet has sufficient ${what.toLowerCase()} available`,
  }));
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: 'KubeletReady',
    message: 'kubelet is posting ready status',
  };
  return [...pressures, ready].map((one) => ({
    ...one,
    lastHeartbeatTime: now,
    lastTransitionTime: '2027-01-15T08:00:00Z',
  }));
};

export const zones = 3;

/** Kubelets of such nodes tell which handlers CRI told them of: those of containerd 2 do. */
export const saysHandlers = (at: number): boolean => at % 2 === 0;

/** As a kubelet writes it; the nameless one is the default. */
export const runtimeHandlers = (names: readonly string[]): readonly object[] =>
  ['', 'runc', ...names].map((name) => ({
    name,
    features: { recursiveReadOnlyMounts: true, userNamespaces: true },
  }));

/** As large as a real one, which is mostly the fifty images that a kubelet lists. */
export const nodeObject = (name: string, at = 0): object => {
  const capacity = {
    cpu: '16',
    memory: '64Gi',
    pods: '110',
    'ephemeral-storage': '200Gi',
    'hugepages-2Mi': '0',
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/os': 'linux',
        'node.kubernetes.io/instance-type': 'large',
        'topology.kubernetes.io/zone': `zone-${'abc'[at % zones]}`,
      },
    },
    status: {
      capacity,
      allocatable: capacity,
      conditions: conditions(),
      ...(saysHandlers(at) ? { runtimeHandlers: runtimeHandlers([]) } : {}),
      addresses: [{ type: 'Hostname', address: name }],
      nodeInfo: {
        machineID: '0123456789abcdef0123456789abcdef',
        systemUUID: '01234567-89ab-cdef-0123-456789abcdef',
        bootID: '01234567-89ab-cdef-0123-456789abcdef',
        kernelVersion: '6.12.0-amd64',
        osImage: 'Debian GNU/Linux 13 (trixie)',
        containerRuntimeVersion: 'containerd://2.1.5',
        kubeletVersion: 'v1.36.3',
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: 'amd64',
      },
      images: Array.from({ length: 50 }, (_, at) => ({
        names: [
          `registry.example.com/team/service-${at}@sha256:${String(at).padStart(2, '0').repeat(32)}`,
          `registry.example.com/team/service-${at}:1.${at}.0`,
        ],
        sizeBytes: 10_000_000 + at,
      })),
    },
  };
};
