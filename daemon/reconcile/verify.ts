/** `rcm-node verify`: the proof that a sandbox starts, on demand. It only updates the ledger. */
import { baselineOf } from '../decide/baseline.ts';
import type { Host } from '../../host/host.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import type { Settings } from '../model/settings.ts';
import { type KeptStart, startId } from '../model/start.ts';
import { consider } from './consider.ts';
import { alone } from './once.ts';
import { type Started, startEach } from './proof/start-proof.ts';
import { loadState, saveLedger } from '../state/state.ts';

/** A person waits, and no rollback depends on it: a shim may be slow, but less than a tick waits for the lock. */
const patience = { forMs: 80_000, mostMs: 45_000 };

/** By handler: all installed ones, or the named one. Throws `runtime-unreachable`, `locked`. */
export const verify = (
  host: Host,
  settings: Settings,
  only: string | undefined,
): Promise<Readonly<Record<string, Started>>> =>
  // A tick removes the sandboxes of proofs that it finds.
  alone(host, async () => {
    const { ledger } = await loadState(host);
    const rules = { force: false, since: undefined };
    const look = { activate: true, deep: false, force: false, now: false };
    const { desired, before } = await consider(host, settings, ledger, look, rules);
    const { runtime } = before;
    if (runtime.name === 'none') throw new Failure(runtime.problem);
    if (runtime.cri.kind === 'silent')
      throw new Failure({ code: 'runtime-unreachable', message: runtime.cri.why });
    const served = runtime.cri.handlers === 'unknown' ? undefined : runtime.cri.handlers;
    if (only !== undefined && served && !served.includes(only))
      throw new Failure({
        code: 'not-served',
        message: `CRI lists no handler "${only}"; it lists ${served.join(', ') || 'none'}`,
        hint: 'rcm-node status lists the handlers, and what each waits for.',
      });
    if (only !== undefined && !(only in ledger.handlers) && ledger.prepared?.[only])
      throw new Failure({
        code: 'not-served',
        message: `"${only}" is prepared, and no shim is there for it yet`,
        hint: 'A file in shims.d or a Shim that asks for it is served without a restart.',
      });
    const names = only === undefined ? Object.keys(ledger.handlers) : [only];
    const given = only === undefined ? settings : { ...settings, verifyExcept: [] };
    const results: Record<string, Started> = {};
    for (const name of names)
      Object.assign(results, await startEach(host, given, runtime.socket, [name], patience));
    const { present } = baselineOf(desired, before, rules).target;
    const starts = Object.entries(results).flatMap(([name, result]): [string, KeptStart][] => {
      const key = ledger.handlers[name]?.key;
      const table = present[name];
      return key === undefined || table === undefined
        ? []
        : [[name, { of: startId(key, table), ...whyOf(result) }]];
    });
    if (starts.length > 0)
      await saveLedger(host, { ...ledger, starts: { ...ledger.starts, ...Object.fromEntries(starts) } });
    return results;
  });

const whyOf = (result: Started): { readonly why?: string } => {
  if (result.kind === 'started') return {};
  return { why: result.kind === 'listed' ? result.why : result.problem.message };
};
