/**
 * Programs that were placed into an image were never run there: the first start on a real host runs each program once. One that
 * does not run counts as a failed attempt, and its handler is removed from the configuration (daemon/decide/handlers/handlers.ts).
 */
import { artifactWait } from '../../decide/backoff.ts';
import { paths } from '../../../protocol/host-paths.ts';
import { artifactId } from '../../decide/handlers/handlers.ts';
import type { Host } from '../../../host/host.ts';
import type { Handler } from '../../model/desired.ts';
import type { Ledger } from '../../model/ledger.ts';
import { type Code, logFields, problemOf } from '../../../protocol/problem/problem.ts';
import { tryProgram } from './artifacts.ts';
import { saveLedger } from '../../state/state.ts';
import { type Manifest, readManifest, writeManifest } from './store.ts';
import { attempted, marked, succeeded } from './unpacking.ts';

/** Of the program: it runs at the next attempt. The store of an image may be read-only. */
const saysNothing: ReadonlySet<Code> = new Set([
  'out-of-resources',
  'disk-full',
  'read-only',
  'cannot-write',
]);

/** Returns the saved ledger with the results. Only for the holder of the lock. `since` as in `Rules`. */
export const tryUntried = async (host: Host, before: Ledger, since: number | undefined): Promise<Ledger> => {
  if (!host.systemd) return before;
  let ledger = before;
  for (const [key, handlers] of byKey(before)) {
    host.progress();
    const manifest = await readManifest(host, key);
    if (manifest?.untried !== true || handlers.every((one) => waits(ledger, one, since, host.clock.now())))
      continue;
    // A damaged artifact is downloaded again, and run then.
    if (!(await isWhole(host, key, manifest))) continue;
    const folder = `${paths.store}/${key}`;
    const [handler] = handlers;
    if (!handler) continue;
    const { untried: _tried, ...rest } = manifest;
    try {
      await marked(host, handlers, () => tryProgram(host, handler, folder));
      await writeManifest(host, folder, rest);
    } catch (error) {
      const problem = problemOf(error);
      if (saysNothing.has(problem.code)) {
        host.log('debug', problem.message, { ...logFields(problem), handler: handler.name });
        continue;
      }
      host.log('error', problem.message, { ...logFields(problem), handler: handler.name });
      for (const one of handlers)
        ledger = attempted(ledger, one.name, artifactId(one), problem, host.clock.now());
      await saveLedger(host, ledger);
      continue;
    }
    host.log('info', `verified ${handler.name}, its binary runs on this host for the first time`, {
      handler: handler.name,
    });
    for (const one of handlers) ledger = succeeded(ledger, one.name);
  }
  if (ledger !== before) await saveLedger(host, ledger);
  return ledger;
};

const byKey = (ledger: Ledger): ReadonlyMap<string, readonly Handler[]> => {
  const groups = new Map<string, readonly Handler[]>();
  for (const { key, handler } of Object.values(ledger.handlers))
    groups.set(key, [...(groups.get(key) ?? []), handler]);
  return groups;
};

/** It failed, and its backoff has not passed. */
const waits = (ledger: Ledger, handler: Handler, since: number | undefined, now: number): boolean => {
  const attempt = ledger.attempts[handler.name];
  if (attempt?.artifact !== artifactId(handler)) return false;
  return (since === undefined || attempt.at >= since) && artifactWait(attempt, now) > 0;
};

const isWhole = async (host: Host, key: string, manifest: Manifest): Promise<boolean> => {
  for (const [name, { sha256 }] of Object.entries(manifest.files))
    if ((await host.files.digest(`${paths.store}/${key}/${name}`)) !== sha256) return false;
  return true;
};
