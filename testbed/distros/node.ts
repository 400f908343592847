/** A node on which the stand-in for a distribution's supervisor runs containerd, in the layout of that distribution. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareImage } from '../artifacts/images.ts';
import { importImage, pauseOciImage } from '../artifacts/oci.ts';
import type { Progress } from '../machine/command.ts';
import { cniConfiguration, runcWrapper } from '../node/configuration.ts';
import { bootNode, type NodeOptions } from '../node/node.ts';
import { waitForCri } from '../node/pods.ts';
import type { TestNode } from '../node/test-node.ts';
import type { Distro } from './rows.ts';
import { provideSupervisor } from './supervisor.ts';

const unitOf = ({ program, argv, service }: Distro): string => `[Unit]
Wants=network-online.target
After=network-online.target

[Service]
${service.join('\n')}
ExecStart=${program} ${argv.join(' ')}

[Install]
WantedBy=multi-user.target
`;

export type DistroOptions = Pick<NodeOptions, 'binds' | 'files'> & {
  readonly progress: Progress;
  /** Added to those of the row. */
  readonly flags?: readonly string[];
};

const install = async (
  root: string,
  distro: Distro,
  { progress, flags = [] }: DistroOptions,
): Promise<void> => {
  const tree = await prepareImage(distro.suite, 'containerd', progress);
  const bin = join(root, distro.bin);
  mkdirSync(bin, { recursive: true });
  cpSync(await provideSupervisor(progress), join(root, distro.program));
  cpSync(join(tree, 'usr/bin/containerd-shim-runc-v2'), join(bin, 'containerd-shim-runc-v2'));
  if (distro.inside === undefined) cpSync(join(tree, 'usr/bin/containerd'), join(bin, 'containerd'));
  else cpSync(await provideSupervisor(progress, distro.inside), join(bin, 'k3s'));
  // containerd 2 cannot leave cgroups alone.
  if (distro.suite === 'forky') writeFileSync(join(bin, 'runc'), runcWrapper, { mode: 0o755 });
  else cpSync(join(tree, 'usr/sbin/runc'), join(bin, 'runc'));
  writeFileSync(
    join(root, 'etc/systemd/system', distro.unit),
    unitOf({ ...distro, argv: [...distro.argv, ...flags] }),
  );
};

/** What is a link there. */
const linksOf = ({ inside, bin, links }: Distro): Readonly<Record<string, string>> => ({
  ...links,
  ...(inside === undefined ? {} : { [`${bin}/containerd`]: 'k3s' }),
});

/** It serves CRI, and has the image for sandboxes. */
export const bootDistroNode = async (distro: Distro, options: DistroOptions): Promise<TestNode> => {
  const { progress, binds, files } = options;
  const node = await bootNode({
    suite: distro.suite,
    place: distro,
    progress,
    files: { [`${distro.cni}/10-node.conflist`]: cniConfiguration, ...distro.files, ...files },
    ...(binds ? { binds } : {}),
  });
  try {
    await install(node.root, distro, options);
    for (const [path, target] of Object.entries(linksOf(distro))) await node.run(['ln', '-s', target, path]);
    await node.run(['systemctl', 'daemon-reload']);
    await node.run(['systemctl', 'enable', '--now', distro.unit]);
    await waitForCri(node);
    await importImage(node, pauseOciImage());
  } catch (error) {
    await node.stop();
    throw error;
  }
  return node;
};
