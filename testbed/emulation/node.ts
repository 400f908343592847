/**
 * A trixie node for arm64, emulated: systemd, D-Bus and containerd are Debian's for that architecture. What the emulator cannot do
 * is taken out here, and is not shown by a test on such a node:
 * - mount namespaces of services: statx(2) has no mount ids, so systemd takes the new root for the one that it has. So the sandbox
 *   of rcm-node.service is off, but for what systemd sets by other calls.
 * - credentials of services, which need the newer calls of mount(2).
 * - seccomp: its calls are refused, and systemd goes on without filters.
 * - `/proc/PID/exe`: it is the emulator. So a shell starts containerd, and rcm-node reads the unit and not the process.
 * - runc: its child ends before it is set up. So runc and its libraries are those of this machine, and so is the program in a Pod;
 *   containerd and the shim that call it are for arm64.
 */
import { join } from 'node:path';
import { builtDist } from '../artifacts/build.ts';
import { prepareImage } from '../artifacts/images.ts';
import type { Progress } from '../machine/command.ts';
import type { Prepared } from '../node/service.ts';
import { bootWithRcmNode } from '../node/service.ts';
import type { TestNode } from '../node/test-node.ts';
import { emulator } from './emulator.ts';

const off = [
  ...['PrivateMounts', 'PrivateTmp', 'PrivateDevices', 'ProtectSystem', 'ProtectHome'],
  ...['ProtectKernelTunables', 'ProtectKernelModules', 'ProtectKernelLogs', 'ProtectControlGroups'],
];
const none = ['ImportCredential', 'LoadCredential', 'ReadOnlyPaths', 'ReadWritePaths'];

/** Paths in the node to text. */
export const emulatedFiles: Readonly<Record<string, string>> = {
  // For every service (systemd.unit(5), "type.d").
  '/etc/systemd/system/service.d/emulated.conf': `[Service]
${off.map((name) => `${name}=no`).join('\n')}
ProtectProc=default
${none.map((name) => `${name}=`).join('\n')}
`,
  '/etc/systemd/system/containerd.service.d/emulated.conf': `[Service]
ExecStart=
ExecStart=/bin/sh -c "exec /usr/bin/containerd"
`,
  // What an installed package would have made.
  '/etc/hosts': '127.0.0.1 localhost\n',
};

/**
 * A user namespace may mount proc and sysfs only where others are to be seen without anything mounted over them
 * (user_namespaces(7)); a node's own have that, and runc mounts new ones for each container.
 */
const unmasked = ['/proc', '/sys'].map((from) => [`/run/unmasked${from}`, { from }]);

/** Of the image for this machine; its libraries are in folders that an arm64 node does not have. */
const runcBinds = async (progress: Progress) => {
  const tree = await prepareImage('trixie', 'containerd', progress);
  const places = [
    ['/usr/sbin/runc', 'usr/sbin/runc'],
    ['/lib64', 'usr/lib64'],
    ['/usr/lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu'],
  ] as const;
  return Object.fromEntries(places.map(([to, path]) => [to, { from: join(tree, path), readOnly: true }]));
};

/** A node on which rcm-node lies ready, its service not yet started, with artifacts in reach. */
export const bootEmulatedNode = async (options: Prepared): Promise<TestNode> =>
  bootWithRcmNode('trixie', {
    ...options,
    kind: 'arm64',
    launcher: await emulator(options.progress),
    binds: { ...Object.fromEntries(unmasked), ...(await runcBinds(options.progress)), ...options.binds },
    files: { ...emulatedFiles, ...options.files },
    from: join(await builtDist(options.progress), 'linux-arm64'),
  });
