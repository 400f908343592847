/** What each predecessor writes into a file, byte for byte, as its sources have it (table.ts names them). */
const newKey = 'io.containerd.cri.v1.runtime';
const oldKey = 'io.containerd.grpc.v1.cri';

export type Key = typeof newKey | typeof oldKey;
export const keyOf = (schema: 2 | 3): Key => (schema === 3 ? newKey : oldKey);

/** runtime-class-manager v0.2.0: no line break after the last option. */
export const rcm = (
  shim: string,
  {
    key = newKey as Key,
    options = {} as Readonly<Record<string, string>>,
    remark = 'RCM',
    folder = '/opt/rcm',
  } = {},
): string => {
  const table = `plugins."${key}".containerd.runtimes.${shim}`;
  const rows = Object.entries(options).map(([name, value]) => `\n${name} = ${value}`);
  return `\n# ${remark} runtime config for ${shim}\n[${table}]\nruntime_type = "${folder}/bin/containerd-shim-${shim}"\n${
    rows.length > 0 ? `[${table}.options]${rows.join('')}` : ''
  }`;
};

/** Before v0.1.0 it had the names of kwasm.sh. */
export const oldRcm = (shim: string, key: Key = oldKey): string =>
  rcm(shim, { key, remark: 'KWASM', folder: '/opt/kwasm' });

export const kwasmShims = [
  'lunatic-v1',
  'slight-v1',
  'spin-v2',
  'wws-v1',
  'wasmedge-v1',
  'wasmer-v1',
  'wasmtime-v1',
];

/** kwasm-node-installer v0.3.1: `echo` adds a line break to a text that ends with one. */
export const kwasm3 = (folder = '/opt/kwasm'): string => {
  const rows = kwasmShims.map(
    (shim) =>
      `[plugins."${oldKey}".containerd.runtimes.${shim.replace(/-v\d$/, '')}]\n    runtime_type = "${folder}/bin/containerd-shim-${shim}"\n`,
  );
  return `\n${rows.join('')}\n`;
};

const kwasmCrun = (folder: string): string =>
  `[plugins."${oldKey}".containerd.runtimes.crun]
    runtime_type = "io.containerd.runc.v2"
    pod_annotations = ["module.wasm.image/variant", "run.oci.handler"]
[plugins."${oldKey}".containerd.runtimes.crun.options]
    BinaryName = "${folder}/bin/crun"
`;

/** v0.2.0, and with other shims 0.1.0. */
export const kwasm2 = (
  shims: readonly string[] = ['spin', 'wasmedge', 'wws'],
  folder = '/opt/kwasm',
): string =>
  `${kwasmCrun(folder)}${shims
    .map(
      (shim) =>
        `[plugins."${oldKey}".containerd.runtimes.${shim}]\n    runtime_type = "io.containerd.${shim}.v1"\n`,
    )
    .join('')}`;

export const kwasm1 = (): string => kwasm2([]);

/** containerd-shim-spin v0.24.0: two texts, one after the other; only the first one has its key in quotes. */
export const spin = (key: Key = newKey, folder = '/opt/kwasm'): string =>
  `\n[plugins."${key}".containerd.runtimes.${key === newKey ? '"spin"' : 'spin'}]\n    runtime_type = "${folder}/bin/containerd-shim-spin-v2"\n\n`;
export const spinOptions = (key: Key = newKey): string =>
  `\n[plugins."${key}".containerd.runtimes.spin.options]\n    SystemdCgroup = true\n\n`;

/** knawd's deployer v1.3.0 prints the whole file anew; this is its table as github.com/pelletier/go-toml prints it. */
export const knawd = (): string =>
  `
        [plugins."${oldKey}".containerd.runtimes.crun]
          pod_annotations = ["*.wasm.*", "module.wasm.image/*", "*.module.wasm.image", "module.wasm.image/variant.*"]
          privileged_without_host_devices = false
          runtime_type = "io.containerd.runc.v2"

          [plugins."${oldKey}".containerd.runtimes.crun.options]
            BinaryName = "/usr/local/sbin/crun"
`;
