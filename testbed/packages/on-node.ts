/** Packages of rcm-node on a node, as its admin uses them. */
import type { Said } from '../machine/command.ts';
import type { TestNode } from '../node/test-node.ts';
import { type OwnPackage, pathOf } from './own-packages.ts';

export const service = 'rcm-node.service';

const timeoutMs = 600_000;

export const dpkg = (node: TestNode, ...argv: readonly string[]): Promise<Said> =>
  node.exec(['env', 'DEBIAN_FRONTEND=noninteractive', 'dpkg', ...argv], { timeoutMs });

export const installDeb = (node: TestNode, deb: OwnPackage): Promise<Said> => dpkg(node, '-i', pathOf(deb));

/** Debian's rpm knows none of the packages that dpkg has installed. */
export const rpm = (node: TestNode, ...argv: readonly string[]): Promise<Said> =>
  node.exec(['rpm', '--nodeps', ...argv], { timeoutMs });

export const stateOf = async (node: TestNode, what: 'is-active' | 'is-enabled'): Promise<string> =>
  (await node.exec(['systemctl', what, service])).stdout.trim();

export const versionOf = async (node: TestNode, program = '/usr/bin/rcm-node'): Promise<string> =>
  (await node.run([program, 'version'])).trim();

/** Another one after each start of the service. */
export const pidOf = (node: TestNode): Promise<string> =>
  node.run(['systemctl', 'show', '--value', '-p', 'MainPID', service]);
