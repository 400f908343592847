/**
 * Puts a built rcm-node onto a node the way the packages do: a folder per version, a link that names the current one,
 * the unit. All that tests know of that layout is in this file.
 */
import { cp, mkdir, readFile } from 'node:fs/promises';
import type { TestNode } from './test-node.ts';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

export const executable = '/opt/rcm-node/bin/rcm-node';

export type Installation = {
  /** A folder with `rcm-node` and the libraries beside it. */
  readonly from?: string;
  /** Two versions can lie side by side; the one installed last is the current one. */
  readonly version?: string;
  readonly unit?: string;
};

/** Neither enables nor starts the service; returns the executable's path in the node. */
export const installRcmNode = async (node: TestNode, options: Installation = {}): Promise<string> => {
  const version = options.version ?? '0.1.0';
  const folder = `/opt/rcm-node/bin/versions/${version}`;
  // Through the mounted tree rather than the node's namespace: 140 MB take a moment less.
  await mkdir(join(node.root, folder), { recursive: true });
  await cp(options.from ?? join(root, 'dist', 'linux-x64'), join(node.root, folder), { recursive: true });
  await node.run(['ln', '-s', `versions/${version}/rcm-node`, `${executable}.new`]);
  await node.run(['mv', '-fT', `${executable}.new`, executable]);
  const unit = await readFile(options.unit ?? join(root, 'systemd', 'rcm-node.service'), 'utf8');
  await node.writeFile('/etc/systemd/system/rcm-node.service', unit);
  await node.run(['systemctl', 'daemon-reload']);
  return executable;
};
