import t from 'tap';
import { removals } from '../../../daemon/decide/handlers/removals.ts';
import { type Baseline, baselineOf } from '../../../daemon/decide/baseline.ts';
import type { Desired, Handler } from '../../../daemon/model/desired.ts';
import { emptyLedger } from '../../../daemon/model/ledger.ts';
import type { RuntimeFacts } from '../../../daemon/runtimes/facts.ts';
import { handler, observed, regular, runtime, serving } from '../../../testbed/simulated/bare-host.ts';
import { configFile } from '../../../daemon/runtimes/parsed.ts';

const main = '/etc/containerd/config.toml';
const conf = 'version = 3\n';
const none: Desired = { handlers: [], problems: [], lost: [] };
const ofCluster: Desired = {
  ...none,
  approvals: { approved: {}, controller: undefined, alone: {}, shims: {} },
};
const ofShim: Handler = { ...handler, order: { shim: 'spin', revision: 'r1', scope: 'restarts' } };

const baseline = (
  installed: Handler,
  given: {
    readonly desired?: Desired;
    readonly facts?: RuntimeFacts;
    readonly force?: boolean;
    readonly present?: Baseline['target']['present'];
  } = {},
): Baseline => {
  const config = [configFile(main, regular(conf))];
  const before = {
    ...observed,
    runtime: { ...(given.facts ?? runtime), config },
    files: { [main]: regular(conf) },
    ledger: {
      ...emptyLedger,
      handlers: { spin: { handler: installed, key: 'k', sha256: 's', path: '/p' } },
    },
  };
  const made = baselineOf(given.desired ?? none, before, { force: given.force ?? false, since: undefined });
  const present = given.present ?? { spin: { runtime_type: '/p' } };
  return { ...made, target: { ...made.target, present } };
};

const removalsIn = (one: Baseline) => removals(one, new Map());

t.test('a handler that is no longer asked for is removed, once no sandbox uses it', async (t) => {
  t.match(removalsIn(baseline(handler)), [{ name: 'spin', source: handler.where.file, problem: undefined }]);
  const used = serving(['runc', 'spin'], ['one', 'spin'], ['two', 'spin']);
  t.match(removalsIn(baseline(handler, { facts: used })), [
    { problem: { code: 'handler-in-use', message: /2 sandboxes/ } },
  ]);
  const silent: RuntimeFacts = { ...runtime, cri: { kind: 'silent', why: 'no answer' } };
  t.equal(removalsIn(baseline(handler, { facts: used, force: true }))[0]?.problem, undefined);
  t.match(removalsIn({ ...baseline(handler), runtime: silent }), [
    { problem: { code: 'handler-in-use', message: /no answer/ } },
  ]);
});

t.test('a desired handler is not removed, nor one that is gone already', async (t) => {
  t.same(removalsIn(baseline(handler, { desired: { ...none, handlers: [handler] } })), []);
  t.same(removalsIn(baseline(handler, { present: {} })), []);
});

t.test('the removal of a Shim waits for its Pods, and then for an approval', async (t) => {
  const used = serving(['runc', 'spin'], ['one', 'spin']);
  const gate = { needed: { shim: 'spin', revision: '-', hold: 'unknown' } };
  t.match(removalsIn(baseline(ofShim, { desired: ofCluster, facts: used })), [
    { problem: { code: 'handler-in-use' }, gate },
  ]);
  t.match(removalsIn(baseline(ofShim, { desired: ofCluster })), [
    { problem: { code: 'rollout-pending' }, gate },
  ]);
  t.match(
    removalsIn(baseline(ofShim, { desired: ofCluster, present: {} })),
    [{ name: 'spin' }],
    'and what another program removed meanwhile is restored',
  );
  t.equal(removalsIn(baseline(ofShim))[0]?.gate, undefined, 'an uninstall waits for no approval');
});

t.test(
  'a handler that the runtime cannot start without asks for no approval: its removal is impossible',
  async (t) => {
    const problem = { code: 'default-handler-lost', message: '' } as const;
    const waiting = baseline(ofShim, { desired: ofCluster });
    const one = { ...waiting, target: { ...waiting.target, required: { name: 'spin', problem } } };
    t.match(removalsIn(waiting), [{ gate: { needed: { shim: 'spin' } } }]);
    const [found] = removalsIn(one);
    t.match(found, { problem, gate: { held: { code: 'rollout-pending' } } });
    t.equal(found?.gate?.needed, undefined);
  },
);
