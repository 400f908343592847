/** Restarting a node's containerd by hand, as its owner would, and knowing when it serves again. */
import type { TestNode } from './test-node.ts';
import { waitForCri } from './pods.ts';

/**
 * Restarts and waits until CRI answers. Tests restart more often than the five times in ten seconds that systemd
 * allows a unit, after which it would stay down; so the count is forgotten first.
 */
export const restartContainerd = async (node: TestNode): Promise<void> => {
  await node.run(['systemctl', 'reset-failed', 'containerd.service']);
  await node.run(['systemctl', 'restart', 'containerd.service']);
  await waitForCri(node);
};

/** The process id, in the node, of the running containerd; another one after each restart, `0` when it is down. */
export const containerdPid = async (node: TestNode): Promise<string> =>
  (await node.run(['systemctl', 'show', '--value', '-p', 'MainPID', 'containerd.service'])).trim();
