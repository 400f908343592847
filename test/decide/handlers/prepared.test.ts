import t from 'tap';
import type { Baseline } from '../../../daemon/decide/baseline.ts';
import {
  mayPrepare,
  notYet,
  pathOf,
  preparedRows,
  staysPrepared,
} from '../../../daemon/decide/handlers/prepared.ts';
import type { Observed } from '../../../daemon/decide/observed.ts';
import type { Desired, Prepared } from '../../../daemon/model/desired.ts';
import { emptyLedger, type Ledger } from '../../../daemon/model/ledger.ts';
import type { RuntimeFacts } from '../../../daemon/runtimes/facts.ts';
import type { Target } from '../../../daemon/runtimes/runtime.ts';
import { handler, key, observed, runtime, serving } from '../../../testbed/simulated/bare-host.ts';

const slot: Prepared = {
  name: 'slot-1',
  shim: 'slot-1',
  runtime: { type: 'shim' },
  options: {},
  podAnnotations: [],
  containerAnnotations: [],
  where: { file: '/etc/rcm-node/config.toml' },
};
const path = '/opt/rcm-node/shims/slot-1/containerd-shim-slot-1';

const baselineOf = (
  prepare: readonly Prepared[] | undefined,
  more: {
    readonly ledger?: Partial<Ledger>;
    readonly target?: Partial<Target>;
    readonly runtime?: RuntimeFacts;
    readonly before?: Partial<Observed>;
  } = {},
): Baseline => {
  const desired: Desired = { handlers: [], problems: [], lost: [], ...(prepare ? { prepare } : {}) };
  const target: Partial<Target> = {
    present: {},
    ownerOf: () => undefined,
    tableOf: (one, at) => ({ runtime_type: at, options: one.options }),
    ...more.target,
  };
  return {
    desired,
    before: { ...observed, ledger: { ...emptyLedger, ...more.ledger }, ...more.before },
    runtime: more.runtime ?? runtime,
    target: target as Target,
    former: { files: [], problems: [] },
    runtimeProblem: undefined,
    rules: { force: false, since: undefined },
  };
};

const pods = serving(['runc', 'slot-1'], ['pod', 'runc']);
const present = { present: { 'slot-1': { runtime_type: path, options: {} } } };
const none: ReadonlySet<string> = new Set();

t.test(
  'a shim of any name has the path that was prepared; an OCI runtime only if it is called so',
  async (t) => {
    const shim = { ...handler, name: 'slot-1', shim: 'spin-v2' };
    const oci = { ...shim, runtime: { type: 'oci', binary: 'crun', libraries: [] } } as const;
    t.equal(pathOf(baselineOf([slot]), shim), path);
    t.equal(pathOf(baselineOf([]), shim), '/opt/rcm-node/shims/slot-1/containerd-shim-spin-v2');
    t.equal(pathOf(baselineOf([slot]), oci), '/opt/rcm-node/shims/slot-1/crun');
    const ledger = { prepared: { 'slot-1': { handler: slot, path } } };
    t.equal(pathOf(baselineOf([], { ledger }), shim), path, 'also when the settings no longer name it');
    const was = '/opt/rcm-node/shims/slot-1/containerd-shim-other';
    const installed = { handler: shim, key: key('a'), sha256: key('a'), path: was };
    const served = { handlers: { 'slot-1': installed } };
    t.equal(pathOf(baselineOf([slot], { ledger: served }), slot), was, 'what is served keeps its path');
    t.equal(
      pathOf(baselineOf([], { ledger: served }), shim),
      '/opt/rcm-node/shims/slot-1/containerd-shim-spin-v2',
    );
  },
);

t.test(
  'what is prepared is written when a restart is due, on an idle node, and where nothing runs',
  async (t) => {
    const prepare = [slot];
    t.notOk(mayPrepare(baselineOf(prepare, { runtime: pods }), false));
    t.ok(mayPrepare(baselineOf(prepare, { runtime: pods }), true));
    t.ok(mayPrepare(baselineOf(prepare), false));
    t.ok(mayPrepare(baselineOf(prepare, { runtime: pods, before: { activate: false } }), false));
    const silent: RuntimeFacts = { ...runtime, cri: { kind: 'silent', why: 'no socket' } };
    t.notOk(mayPrepare(baselineOf(prepare, { runtime: silent }), false), 'silence is not idleness');
    t.notOk(mayPrepare(baselineOf([]), true), 'there is nothing to prepare');
    t.notOk(mayPrepare(baselineOf(undefined, { ledger: { prepared: {} } }), true));
    const held = { code: 'restart-budget', message: '' } as const;
    t.notOk(mayPrepare({ ...baselineOf(prepare), held }, true));
  },
);

t.test('the rows are as they stand, or as the settings have them', async (t) => {
  const states = (baseline: Baseline, how: 'exact' | 'standing', taken = none) =>
    preparedRows(baseline, taken, how).map(({ report, wanted }) => [
      report?.name,
      report?.state,
      wanted !== undefined,
    ]);
  t.strictSame(states(baselineOf([slot]), 'standing'), [['slot-1', 'pending', false]]);
  t.strictSame(states(baselineOf([slot]), 'exact'), [['slot-1', 'pending', true]]);
  const ledger = { prepared: { 'slot-1': { handler: slot, path } } };
  const there = baselineOf([slot], { ledger, target: present, runtime: pods });
  t.strictSame(states(there, 'standing'), [['slot-1', 'prepared', true]]);
  t.strictSame(states(there, 'standing', new Set(['slot-1'])), []);
  const left = baselineOf([], { ledger, target: present, runtime: pods });
  t.strictSame(states(left, 'standing'), [['slot-1', 'prepared', true]], 'it stays until the next restart');
  t.strictSame(states(left, 'exact'), []);
  t.strictSame(states(baselineOf(undefined, { ledger, target: present }), 'standing'), [], 'uninstall');
  const options = { Memory: '1Gi' };
  const changed = baselineOf([{ ...slot, options }], { ledger, target: present, runtime: pods });
  t.match(preparedRows(changed, none, 'standing')[0]?.wanted?.table, { options: {} });
  t.match(preparedRows(changed, none, 'exact')[0]?.wanted?.table, { options });
});

t.test('the name of a handler of others is refused, and a takeover needs a shim', async (t) => {
  const owner = { file: '/etc/containerd/config.toml', line: 3 };
  t.match(preparedRows(baselineOf([slot], { target: { ownerOf: () => owner } }), none, 'exact'), [
    { report: { state: 'refused', problem: { code: 'owned-by-another', where: owner } }, wanted: undefined },
  ]);
  const replaceable = [{ file: '/etc/containerd/config.toml', part: { handler: 'slot-1' } }] as never;
  t.match(preparedRows(baselineOf([slot], { target: { replaceable } }), none, 'exact'), [
    { report: { state: 'refused', problem: { code: 'owned-by-another' } }, wanted: undefined },
  ]);
});

t.test('one note names all that waits, and no handler of a shim', async (t) => {
  const row = (name: string, source = '/etc/rcm-node/config.toml') =>
    ({ name, state: 'pending', source }) as const;
  t.match(notYet([row('a'), row('b'), row('c', '/etc/rcm-node/shims.d/c.toml')], true), [
    { message: /: a, b$/ },
  ]);
  t.strictSame(notYet([row('a')], false), []);
  t.strictSame(notYet([], true), []);
});

t.test(
  'a handler stays prepared if the settings or the ledger say so, and not in an uninstall',
  async (t) => {
    const ledger = { prepared: { 'slot-1': { handler: slot, path } } };
    t.ok(staysPrepared(baselineOf([slot]), 'slot-1'));
    t.ok(staysPrepared(baselineOf([], { ledger }), 'slot-1'));
    t.notOk(staysPrepared(baselineOf([]), 'slot-1'));
    t.notOk(staysPrepared(baselineOf(undefined, { ledger }), 'slot-1'));
  },
);
