/** What a cluster looks like to the person whose test has failed. */
import type { Said } from '../machine/command.ts';
import type { ClusterNode } from './join.ts';
import type { ControlPlaneProcess } from '../kubernetes/process.ts';

const longest = 400;

/** Nodes, Pods, events, and what each part said last. Works, with gaps, whatever is broken. */
export const clusterLogs = async (
  kubectl: (argv: readonly string[]) => Promise<Said>,
  processes: readonly ControlPlaneProcess[],
  nodes: readonly ClusterNode[],
): Promise<string> => {
  const parts: string[] = [];
  const look = async (title: string, said: Promise<Said>): Promise<void> => {
    const text = await said.then(({ stdout, stderr }) => stdout + stderr, String);
    parts.push(`--- ${title}\n${text}`);
  };
  for (const what of ['nodes', 'pods', 'events'])
    await look(what, kubectl(['get', what, '-A', '-o', 'wide', '--request-timeout=5s']));
  await look('Shims', kubectl(['get', 'shims,runtimeclasses', '-o', 'yaml', '--request-timeout=5s']));
  for (const { name, log } of processes)
    parts.push(`--- ${name}\n${log().split('\n').slice(-20).join('\n')}`);
  const journal = ['journalctl', '-q', '--no-pager', '-o', 'cat', '-n', '40'];
  for (const { name, host } of nodes)
    await look(
      `node ${name}`,
      (async () =>
        host.exec([...journal, '-u', 'kubelet', '-u', 'containerd', '-u', 'rcm-node'], {
          timeoutMs: 60_000,
        }))(),
    );
  return parts.join('\n').replace(new RegExp(`^(.{${longest}}).+$`, 'gm'), '$1…');
};
