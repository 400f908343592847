/**
 * Which handlers the configuration shall carry, and what is missing for each: desire, minus what cannot be had now,
 * plus what may not go yet.
 */
import { binaryName, type Handler, storeKey } from '../model/desired.ts';
import type { Installed, Ledger } from '../model/ledger.ts';
import type { RuntimeFacts } from '../model/observed.ts';
import type { HandlerReport, HandlerState, Step } from '../model/plan.ts';
import type { Problem } from '../model/problem.ts';
import { criPath, handlerTable, inheritable, isTable, tableAt } from '../runtimes/containerd.ts';
import { artifactWait } from './cadence.ts';
import { stablePath } from './paths.ts';
import type { Rules, Scene, Table } from './scene.ts';
import { foreignOwner, type Parsed } from './verdict.ts';

export type Wanted = {
  readonly name: string;
  readonly table: Table;
  /** Absent when the handler is kept as it stands, from the text alone. */
  readonly installed?: Installed;
};

export type Wish = {
  readonly wanted: readonly Wanted[];
  /** Downloads and placements that come first. */
  readonly artifacts: readonly Step[];
  readonly reports: readonly HandlerReport[];
};

export const wish = (scene: Scene): Wish => {
  const { desired, before, present } = scene;
  const wanted: Wanted[] = [];
  const artifacts: Step[] = [];
  const reports: HandlerReport[] = [];
  const options = inherited(scene.foreign, scene.site.schema);
  for (const handler of desired.handlers) {
    const report = (state: HandlerState, problem?: Problem, sha256?: string): void => {
      reports.push({
        name: handler.name,
        state,
        source: handler.where.file,
        ...(sha256 ? { sha256 } : {}),
        ...(problem ? { problem } : {}),
      });
    };
    const keep = (): void => {
      const table = present[handler.name];
      const installed = before.ledger.handlers[handler.name];
      if (table) wanted.push({ name: handler.name, table, ...(installed ? { installed } : {}) });
    };
    const owner = foreignOwner(scene.foreign, handler.name);
    if (owner) {
      report('refused', {
        code: 'owned-by-another',
        message: `the handler "${handler.name}" is defined here already`,
        where: owner,
        handler: handler.name,
      });
      keep();
      continue;
    }
    const path = stablePath(handler.name, binaryName(handler));
    const link = before.links[path];
    if (link?.foreign !== undefined) {
      report('refused', {
        code: 'not-ours',
        message: `${path} is ${link.foreign}, which rcm-node did not put there`,
        where: { file: path },
        handler: handler.name,
      });
      keep();
      continue;
    }
    const sha256 = handler.artifact.sha256 ?? before.ledger.trusted[handler.artifact.url];
    const key = storeKey(handler, sha256);
    const table = handlerTable(handler, path, options);
    const ready = key !== undefined && before.store[key]?.kind === 'whole';
    if (!ready) {
      const attempt = before.ledger.attempts[handler.name];
      const blocked =
        attempt && attempt.artifact === artifactId(handler) && blocks(attempt, before.now, scene.rules);
      if (blocked) {
        report('failed', {
          ...attempt.problem,
          handler: handler.name,
          // No countdown: a line that differs at every tick would be logged at every tick.
          message: `${attempt.problem.message} (attempt ${attempt.count})`,
        });
        keep();
        continue;
      }
      if (!scene.rules.ready) artifacts.push({ kind: 'fetch', handler }, { kind: 'place', handler });
      if (key === undefined || scene.rules.ready) {
        // Trust on first use: the digest, and with it the name in the store, is known only after the download.
        report('pending');
        keep();
        continue;
      }
    }
    const served = ready && isServed(scene, handler.name);
    report(served ? 'served' : 'pending', undefined, sha256);
    wanted.push({ name: handler.name, table, installed: { handler, key, sha256: sha256 ?? '', path } });
  }
  removals(scene, wanted, reports);
  return { wanted: wanted.sort((a, b) => (a.name < b.name ? -1 : 1)), artifacts, reports };
};

/** Identifies what was tried, so that a changed location, digest or selection is tried at once. */
export const artifactId = (handler: Handler): string => JSON.stringify([handler.artifact, handler.runtime]);

const blocks = (attempt: Ledger['attempts'][string], now: number, rules: Rules): boolean =>
  (rules.since === undefined || attempt.at >= rules.since) && artifactWait(attempt, now) > 0;

const isServed = (scene: Scene, name: string): boolean => {
  const { cri } = scene.runtime;
  if (!scene.before.activate) return name in scene.present;
  return (
    name in scene.present &&
    cri.kind === 'answers' &&
    (cri.handlers === 'unknown' || cri.handlers.includes(name))
  );
};

/** A handler that nobody wants any more stays while a sandbox uses it: its operations need the configuration. */
const removals = (scene: Scene, wanted: Wanted[], reports: HandlerReport[]): void => {
  const { before, runtime, rules } = scene;
  const desired = new Set(scene.desired.handlers.map((handler) => handler.name));
  for (const [name, table] of Object.entries(scene.present)) {
    if (desired.has(name)) continue;
    const installed = before.ledger.handlers[name];
    const source = installed?.handler.where.file ?? '(no longer asked for)';
    const problem = rules.force || !runtime.unit ? undefined : inUse(runtime, name);
    reports.push({ name, state: 'removing', source, ...(problem ? { problem } : {}) });
    if (problem) wanted.push({ name, table, ...(installed ? { installed } : {}) });
  }
};

const inUse = (runtime: RuntimeFacts, name: string): Problem | undefined => {
  const { cri } = runtime;
  if (cri.kind === 'silent')
    return {
      code: 'handler-in-use',
      handler: name,
      message: `whether Pods use "${name}" cannot be found out: ${cri.why}`,
    };
  const count = cri.sandboxes.filter((sandbox) => sandbox.handler === name).length;
  if (count === 0) return undefined;
  return {
    code: 'handler-in-use',
    handler: name,
    message: `"${name}" is used by ${count} ${count === 1 ? 'sandbox' : 'sandboxes'}`,
  };
};

/** The default handler's options as the files write them; the trial proves that they were read that way. */
const inherited = (files: readonly Parsed[], schema: number): Table => {
  const cri = criPath(schema) ?? [];
  let runtimes: Record<string, Table> = {};
  let name = 'runc';
  for (const file of files) {
    const containerd = tableAt(file.doc, [...cri, 'containerd']);
    if (!containerd) continue;
    if (typeof containerd.default_runtime_name === 'string') name = containerd.default_runtime_name;
    for (const [key, table] of Object.entries(tableAt(containerd, ['runtimes']) ?? {}))
      if (isTable(table)) runtimes = { ...runtimes, [key]: { ...runtimes[key], ...table } };
  }
  return inheritable(runtimes, name);
};
