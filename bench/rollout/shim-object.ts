/** Shims of the size that Shims have. */

export const shimText = (name: string, more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name },
    spec: {
      fetchStrategy: {
        platforms: ['amd64', 'arm64'].map((arch) => ({
          os: 'linux',
          arch,
          location: `https://example.com/releases/download/v1.0.0/containerd-shim-${name}-linux-${arch}.tar.gz`,
          sha256: '0123456789abcdef'.repeat(4),
        })),
      },
      containerdRuntimeOptions: { SystemdCgroup: 'true' },
      runtimeClass: { name, handler: name },
      ...more,
    },
  });
