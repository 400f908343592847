/**
 * A node as an API server sees it: the service's own session with the cluster (identity, watches, what it keeps, whose approval
 * it is, and what it reports), on a host that has nothing but memory, and with a runtime that is a pause.
 */
import { createHash } from 'node:crypto';
import { nextTick } from '../../daemon/decide/backoff.ts';
import { makeFiles } from '../../host/files/files.ts';
import { type Host, makeHost } from '../../host/host.ts';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { openCluster } from '../../daemon/cluster/session.ts';
import { gather } from '../../daemon/reconcile/sources/gather.ts';
import type { FileFact } from '../../host/facts.ts';
import { makeRuntime, type Manner } from '../node/simulated-runtime.ts';

export type { Manner };

export type SimulatedNode = {
  /** Its next change of the runtime does not come up, and is undone. */
  fail(): void;
};

/** As in reconcile/loop.ts. */
const settleMs = 300;

/** What is written stays in memory; a thousand nodes that sync their files would measure this machine's disk. */
const memoryHost = (log: Host['log']): Host => {
  const host = makeHost({ root: '/nonexistent', machine: 'amd64', log });
  const texts = new Map<string, string>();
  const look = async (path: string): Promise<FileFact> => {
    const text = texts.get(path);
    if (text === undefined) return { kind: 'absent' };
    const digest = createHash('sha256').update(text).digest('hex');
    return { kind: 'regular', real: path, text, digest, mode: 0o600, uid: 0, gid: 0 };
  };
  // Its kubeconfig is a file of this machine, in a folder for all.
  const { look: lookAtDisk } = makeFiles('/');
  return {
    ...host,
    files: {
      ...host.files,
      look,
      trust: async () => undefined,
      lookTrusted: async (path) => (texts.has(path) ? look(path) : lookAtDisk(path)),
      names: async () => null,
      isFolder: async () => true,
      put: async (path, text) => void texts.set(path, text),
    },
  };
};

/** Lives as long as its process; ticks like the service, by timer and whenever the cluster says something new. */
export const simulateNode = (kubeconfig: string, manner: Manner, log: Host['log']): SimulatedNode => {
  const host = memoryHost(log);
  const state = { pending: false, woken: undefined as undefined | (() => void) };
  const wake = (): void => {
    state.pending = true;
    state.woken?.();
  };
  const cluster = openCluster(host, wake);
  const runtime = makeRuntime(host.clock, manner);
  const policy = { ...defaultSettings, machine: host.machine };
  const rest = async (ms: number): Promise<void> => {
    if (state.pending) return;
    const ended = new AbortController();
    state.woken = () => ended.abort();
    await host.clock.sleep(ms, ended.signal);
    state.woken = undefined;
  };
  const live = async (): Promise<void> => {
    for (;;) {
      state.pending = false;
      cluster.follow({ identity: 'kubelet', kubeconfig, legacyLabels: false, spread: 0 });
      const desired = await gather(host, policy, runtime.ledger());
      cluster.tell(await runtime.tick(desired));
      await rest(nextTick('steady', defaultSettings.interval * 1000, host.clock.random()));
      if (state.pending) await host.clock.sleep(settleMs);
    }
  };
  live().catch((error: unknown) => log('error', String(error)));
  return { fail: runtime.fail };
};
