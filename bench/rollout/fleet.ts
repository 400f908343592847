/** Many simulated nodes: their credentials, and the processes that run them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../../testbed/cluster/cluster.ts';
import { kubeconfig } from '../../testbed/kubernetes/kubeconfig.ts';
import type { Complaints, Order } from './fleet-process.ts';
import type { Manner } from './simulated-node.ts';
import { addWire, type Wire } from '../cluster/wire.ts';

export type Fleet = {
  readonly pids: readonly number[];
  /** All at the same moment, as after a power cut; or so many in a second. */
  start(perSecond?: number): Promise<void>;
  /** The next change of these nodes' runtimes will not come up, and is undone. */
  fail(names: readonly string[]): Promise<void>;
  /** Breaks off so many watches of theirs, spread over this time; each is taken up again. Returns how many there were. */
  renew(count: number, withinMs: number): Promise<number>;
  wire(): Promise<Wire>;
  /** What went wrong for them, for an error that has to explain itself. */
  complaints(): Promise<string>;
  stop(): Promise<void>;
};

/** A process answers after what it has to do before, and that may be to start some hundred nodes. */
const answerWithinMs = 60_000;

/** Credentials as a kubelet has them, a certificate each: the Node authorizer checks a thousand nodes, and not one. */
export const prepareFleet = async (
  cluster: Cluster,
  names: readonly string[],
  processes: number,
  manner: Manner,
): Promise<Fleet> => {
  const folder = await mkdtemp(join(tmpdir(), 'rcm-node-bench-'));
  const nodes = names.map((name) => {
    const file = join(folder, name);
    const certificate = cluster.mintNodeCertificate(name);
    writeFileSync(file, kubeconfig(cluster.server, cluster.authority.certificate, certificate));
    return { name, kubeconfig: file };
  });
  const children = Array.from({ length: processes }, () =>
    fork(join(import.meta.dirname, 'fleet-process.ts'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
  );
  const tell = (child: ChildProcess, order: Order): void => void child.send(order);
  /** One question at a time: answers carry no name. */
  const ask = <T>(orders: (at: number) => Order, withinMs = answerWithinMs): Promise<readonly T[]> =>
    Promise.all(
      children.map(async (child, at) => {
        const answer = once(child, 'message', { signal: AbortSignal.timeout(withinMs) });
        tell(child, orders(at));
        return (await answer)[0] as T;
      }),
    );
  const share = (count: number, at: number): number =>
    Math.floor(count / processes) + (at < count % processes ? 1 : 0);
  return {
    pids: children.map(({ pid }) => pid ?? 0),
    start: async (perSecond = Number.POSITIVE_INFINITY) => {
      for (let first = 0; first < nodes.length; first += perSecond) {
        const some = nodes.slice(first, first + perSecond);
        for (const [at, child] of children.entries())
          tell(child, { start: some.filter((_, index) => index % processes === at), manner });
        if (first + perSecond < nodes.length) await sleep(1_000);
      }
    },
    fail: async (some) => {
      for (const child of children) tell(child, { fail: some });
    },
    renew: async (count, withinMs) => {
      const broken = await ask<number>(
        (at) => ({ renew: share(count, at), withinMs }),
        withinMs + answerWithinMs,
      );
      return broken.reduce((sum, one) => sum + one, 0);
    },
    wire: async () => addWire(await ask<Wire>(() => 'wire')),
    complaints: async () => JSON.stringify(await ask<Complaints>(() => 'complain')),
    stop: async () => {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
