/**
 * A trixie node for arm64, emulated: systemd, D-Bus and containerd are Debian's for that architecture. What the emulator cannot do
 * is taken out here, and is not shown by a test on such a node:
 * - mount namespaces of services: statx(2) has no mount ids, so systemd takes the new root for the one that it has. So the sandbox
 *   of rcm-node.service is off, but for what systemd sets by other calls.
 * - credentials of services, which need the newer calls of mount(2).
 * - seccomp: its calls are refused, and systemd goes on without filters.
 * - `/proc/PID/exe`: it is the emulator. So a shell starts containerd, and rcm-node reads the unit and not the process.
 * - Pods: runc's process in the new namespaces ends at once, with every handler.
 */
import { join } from 'node:path';
import { builtDist } from '../artifacts/build.ts';
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

/** A node on which rcm-node lies ready, its service not yet started, with artifacts in reach. */
export const bootEmulatedNode = async (options: Prepared): Promise<TestNode> =>
  bootWithRcmNode('trixie', {
    ...options,
    kind: 'arm64',
    launcher: await emulator(options.progress),
    files: { ...emulatedFiles, ...options.files },
    from: join(await builtDist(options.progress), 'linux-arm64'),
  });
