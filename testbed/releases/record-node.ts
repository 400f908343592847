/**
 * What a release writes on a node without a cluster: killed before changes all over an install and in the middle of a rollback, and
 * when it serves. The shim is a script that runs the shim of Debian's containerd, so that all of it is text.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createHash } from 'node:crypto';
import type { Progress } from '../machine/command.ts';
import { executable } from '../node/install.ts';
import { bootWithRcmNode, rcmNode, shimFilePath, startsOf } from '../node/service.ts';
import { changesOf, prepareStrace, runKilledBefore } from '../node/strace.ts';
import type { TestNode } from '../node/test-node.ts';
import { type Change, changeOf, type KeptTree, treeIn } from './tree.ts';

export type Stage = {
  /** The change that was not made any more, or what it was in the middle of. */
  readonly killed: string;
  /** The runtime was restarted by then. */
  readonly restarted: boolean;
  /** Of the runtime, by systemd: state names it. */
  readonly invocation: string;
  readonly change: Change;
};

export type Settled = Pick<Stage, 'invocation' | 'change'>;

export type NodeRecord = {
  readonly containerd: string;
  readonly before: KeptTree;
  readonly served: Settled;
  /** With a second handler whose shim starts nothing. */
  readonly rolledBack: Settled;
  readonly stages: readonly Stage[];
};

const mostStages = 7;

const works = '#!/bin/sh\nexec /usr/bin/containerd-shim-runc-v2 "$@"\n';
/** It says its version, as any shim, and starts nothing. */
const broken = '#!/bin/sh\n[ "$1" != -v ] || exec /usr/bin/containerd-shim-runc-v2 -v\nexit 1\n';

const ask = async (node: TestNode, name: string, program: string): Promise<void> => {
  const path = `/srv/recorded/${name}`;
  await node.writeFile(path, program, 0o755);
  const sha256 = createHash('sha256').update(program).digest('hex');
  const text = `name = "${name}"\n[fetchStrategy.anonHttp]\nlocation = "file://${path}"\nsha256 = "${sha256}"\n`;
  await node.writeFile(shimFilePath(name), text);
};

const once = [executable, 'once'];

const must = async (node: TestNode, code: number, ...argv: readonly string[]): Promise<void> => {
  const said = await rcmNode(node, ...argv);
  if (said.code !== code) throw new Error(`${argv.join(' ')}: ${said.code}\n${said.stdout}${said.stderr}`);
};

export const recordNode = async (from: string, progress: Progress): Promise<NodeRecord> => {
  await prepareStrace(progress);
  // Neither the wait for a quiet moment nor a long proof is the subject here.
  const node = await bootWithRcmNode('trixie', { progress, from, settings: 'stable = 1\nquiet = 0\n' });
  try {
    await node.run(['mkdir', '/run/rcm-node']);
    await ask(node, 'spin-v2', works);
    const before = treeIn(node);
    const since = async (): Promise<Settled> => ({
      invocation: (await node.run(['systemctl', 'show', '--value', '-p', 'InvocationID', node.unit])).trim(),
      change: changeOf(before, treeIn(node)),
    });
    const changes = await changesOf(node, once);
    const stages: Stage[] = [];
    const every = Math.max(1, Math.floor(changes.length / mostStages));
    for (const change of changes.filter((_one, at) => at % every === every - 1)) {
      await must(node, 0, 'uninstall');
      const starts = await startsOf(node);
      await runKilledBefore(node, change, once);
      const killed = `${change.call} of ${change.path}`;
      progress(`killed before ${killed}`);
      stages.push({ killed, restarted: (await startsOf(node)) > starts, ...(await since()) });
      await must(node, 0, 'once');
    }
    const served = await since();
    await ask(node, 'wws-v1', broken);
    const starts = await startsOf(node);
    const run = { ended: false };
    const running = rcmNode(node, 'once').finally(() => {
      run.ended = true;
    });
    while (!(await node.readFile('/var/lib/rcm-node/journal.json').catch(() => '')).includes('"undo"')) {
      if (run.ended) throw new Error(`nothing was rolled back: ${(await running).stderr}`);
      await sleep(5);
    }
    await node.exec(['pkill', '-KILL', '-x', 'rcm-node']);
    await running;
    stages.push({ killed: 'a rollback', restarted: (await startsOf(node)) > starts, ...(await since()) });
    await rcmNode(node, 'once');
    const version = await node.run(['containerd', '--version']);
    const containerd = / v?(\d+\.\d+\.\d+)/.exec(version)?.[1] ?? '';
    return { containerd, before, served, rolledBack: await since(), stages };
  } finally {
    await node.stop();
  }
};
