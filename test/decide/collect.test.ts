import t from 'tap';
import { collect, unreferenced } from '../../daemon/decide/collect.ts';
import type { Ledger } from '../../daemon/model/ledger.ts';
import type { Observed, StoreFact } from '../../daemon/decide/observed.ts';
import { key, observed, runtime, serving } from '../../testbed/simulated/bare-host.ts';

const [old, used] = [key('a'), key('b')];
const whole: StoreFact = { kind: 'whole', sha256: old, url: '', binary: 'x' };
const retired = (sandboxes: readonly string[] | null): Ledger['retired'] => ({
  [old]: { handler: 'spin', sandboxes },
});
const before = (list: Ledger['retired'], more: Partial<Observed> = {}): Observed => ({
  ...observed,
  store: { [old]: whole, [used]: whole },
  ledger: { ...observed.ledger, retired: list },
  ...more,
});
const keys = new Set([used]);

t.test('store folders that a handler uses are not removed', async (t) => {
  t.same(unreferenced(before({}), keys), [old]);
  t.same(collect(before({}), runtime, new Set([old, used])), []);
});

t.test('a store folder that is in no ledger and mapped by no process is removed', async (t) => {
  t.same(collect(before({}), runtime, keys), [
    { kind: 'discard', key: old },
    { kind: 'record', ledger: before({}).ledger },
  ]);
  t.same(collect(before({}, { mapped: [old] }), runtime, keys), []);
});

t.test('a store folder that a link points to is in use, whatever the plan is', async (t) => {
  // The restart that would switch the link has to wait, and no Pod runs at the moment.
  const links = {
    '/opt/rcm-node/shims/spin/containerd-shim-spin': {
      target: `/opt/rcm-node/store/${old}/containerd-shim-spin`,
    },
  };
  t.same(unreferenced(before({}, { links }), keys), []);
  t.same(collect(before({}, { links }), runtime, keys), []);
});

t.test('a replaced version stays while a sandbox from before exists', async (t) => {
  const at = (sandboxes: readonly string[] | null, ...alive: readonly string[]) =>
    collect(before(retired(sandboxes)), serving([], ...alive.map((id) => [id, 'spin'] as const)), keys);
  t.match(at(null, 's1', 's2'), [{ kind: 'record', ledger: { retired: retired(['s1', 's2']) } }]);
  t.same(at(['s1', 's2'], 's1', 's2'), [], 'nothing changed, so nothing is written');
  t.match(at(['s1', 's2'], 's2', 's3'), [{ kind: 'record', ledger: { retired: retired(['s2']) } }]);
  t.match(at(['s1'], 's3'), [
    { kind: 'discard', key: old },
    { kind: 'record', ledger: { retired: {} } },
  ]);
  t.match(at(null), [{ kind: 'discard', key: old }, { kind: 'record' }]);
});

t.test('sandboxes of other handlers do not keep it, but a mapped file does', async (t) => {
  const others = serving([], ['s1', 'other']);
  t.match(collect(before(retired(['s1'])), others, keys), [
    { kind: 'discard', key: old },
    { kind: 'record' },
  ]);
  const mapped = before(retired([]), { mapped: [old] });
  t.same(collect(mapped, others, keys), []);
});

t.test('while CRI does not answer, an unused version may be in use', async (t) => {
  const silent = { ...runtime, cri: { kind: 'silent', why: 'x' } as const };
  t.same(collect(before(retired(['s1'])), silent, keys), []);
});

t.test('in an image nothing runs, so an unused version is removed', async (t) => {
  const image = before(retired(['s1']), { activate: false });
  t.match(collect(image, runtime, keys), [
    { kind: 'discard', key: old },
    { kind: 'record', ledger: { retired: {} } },
  ]);
});
