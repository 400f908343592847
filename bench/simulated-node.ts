/**
 * A node as an API server sees it: the service's own session with the cluster (identity, watches, what it keeps and what
 * it reports), on a host that has nothing but memory, and a tick that serves at once whatever it is asked for.
 */
import { createHash } from 'node:crypto';
import { nextTick } from '../daemon/decide/cadence.ts';
import { type Host, makeHost } from '../daemon/host/host.ts';
import type { FileFact } from '../daemon/model/observed.ts';
import { defaultSettings } from '../daemon/model/settings.ts';
import { emptyLedger } from '../daemon/model/ledger.ts';
import type { Report } from '../daemon/model/outcome.ts';
import { storeKey } from '../daemon/model/desired.ts';
import { openCluster } from '../daemon/reconcile/cluster.ts';
import type { Told } from '../daemon/reconcile/node-report.ts';
import { gather } from '../daemon/reconcile/sources.ts';
import { version } from '../daemon/version.ts';

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
  return {
    ...host,
    files: {
      ...host.files,
      look,
      names: async () => null,
      isFolder: async () => true,
      put: async (path, text) => void texts.set(path, text),
    },
  };
};

/** What a tick says when all went well. */
const tellingOf = async (host: Host): Promise<Told> => {
  const desired = await gather(host, { ...defaultSettings, machine: host.machine }, emptyLedger);
  const { handlers } = desired;
  const report: Report = {
    version: 1,
    agent: version,
    at: new Date(host.clock.now()).toISOString(),
    outcome: { kind: 'converged' },
    runtime: { name: 'containerd', version: '2.1.5', unit: 'containerd.service' },
    handlers: handlers.map(({ name, artifact, where }) => ({
      name,
      state: 'served',
      ...(artifact.sha256 === undefined ? {} : { sha256: artifact.sha256 }),
      source: where.file,
    })),
    notes: desired.problems,
    did: [],
    restarts: { lastHour: 0, last: null },
    trusted: {},
    cluster: null,
  };
  const installed = Object.fromEntries(
    handlers.map((handler) => [
      handler.name,
      { handler, key: storeKey(handler) ?? '', sha256: handler.artifact.sha256 ?? '', path: '' },
    ]),
  );
  return { report, desired: handlers, installed, serves: handlers.map(({ name }) => name) };
};

/** Lives as long as its process; ticks like the service, by timer and whenever the cluster says something new. */
export const simulateNode = (kubeconfig: string, log: Host['log']): void => {
  const host = memoryHost(log);
  const state = { pending: false, woken: undefined as undefined | (() => void) };
  const wake = (): void => {
    state.pending = true;
    state.woken?.();
  };
  const cluster = openCluster(host, wake);
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
      cluster.tell(await tellingOf(host));
      await rest(nextTick('steady', defaultSettings.interval * 1000, host.clock.random()));
      if (state.pending) await host.clock.sleep(settleMs);
    }
  };
  live().catch((error: unknown) => log('error', String(error)));
};
