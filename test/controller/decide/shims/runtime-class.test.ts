import t from 'tap';
import { claimsOf } from '../../../../controller/decide/shims/claims.ts';
import { placementsOf } from '../../../../controller/decide/rollout/placement.ts';
import { classesOf, classOf } from '../../../../controller/decide/shims/runtime-class.ts';
import { printSettings } from '../../../../controller/model/class-settings.ts';
import type { ClassFacts, ClassUse, ShimFacts } from '../../../../controller/model/fleet.ts';
import { aClass, aShim, now } from '../../../../testbed/controller/facts.ts';

const spin = aShim('spin');
const given = (
  classes: readonly ClassFacts[],
  use: Readonly<Record<string, ClassUse>> = {},
  shims: readonly ShimFacts[] = [spin],
) =>
  claimsOf({ now, nodes: [], shims, classes, use: new Map(Object.entries(use)) }, placementsOf([], shims))
    .classes;
const of = (...all: Parameters<typeof given>) => classOf(spin, given(...all), now);
const used = (pods: number, at = now): ClassUse => ({ at, pods, examples: ['default/web-1'] });

t.test('a missing RuntimeClass is created, and a right one stays as it is', async (t) => {
  t.match(of([]), { kind: 'missing', changes: [{ kind: 'apply', name: 'class-spin' }] });
  t.match(of([aClass(spin)]), { kind: 'stands', changes: [], count: [] });
});

t.test(
  'a RuntimeClass of runtime-class-manager for this Shim is ours, and so is one that a person hands over',
  async (t) => {
    t.match(of([aClass(spin, { labels: {}, nodeSelector: {} })]), {
      kind: 'stands',
      changes: [{ kind: 'apply' }],
    });
    t.match(of([aClass(spin, { owners: [] })]), { kind: 'stands', changes: [{ kind: 'apply' }] });
    t.match(of([aClass(spin, { nodeSelector: { odd: 'x' } })]), { changes: [{ kind: 'apply' }] });
  },
);

t.test('a RuntimeClass of another owner is left alone, with a way out', async (t) => {
  const foreign = of([aClass(spin, { owners: [], labels: {} })]);
  t.match(foreign, {
    kind: 'foreign',
    changes: [],
    message: /kubectl label --overwrite runtimeclass class-spin rcm.spinkube.dev\/shim=spin\)/,
  });
  const owned = of([aClass(spin, { owners: [{ kind: 'Helm', name: 'x', uid: 'y' }] })]);
  t.match(owned, { kind: 'foreign', message: /delete it/ });
  t.notMatch(owned.message, /kubectl label/, 'it would not do');
  t.match(of([aClass(spin, { owners: [], labels: { 'rcm.spinkube.dev/shim': 'other' } })]), {
    kind: 'foreign',
  });
});

t.test(
  'one of a former Shim is garbage-collected, and one that is being deleted is waited for',
  async (t) => {
    t.match(of([aClass(spin, { owners: [{ kind: 'Shim', name: 'spin', uid: 'former' }] })]), {
      kind: 'collected',
      changes: [],
    });
    t.match(of([aClass(spin, { deleting: true })]), { kind: 'missing', changes: [] });
  },
);

t.test('an invalid name or handler of a RuntimeClass is not requested', async (t) => {
  for (const [odd, message] of [
    [
      { runtimeClass: 'a..b' },
      /^no RuntimeClass can have the name "a\.\.b": .*give this Shim another spec\.runtimeClass\.name$/,
    ],
    [{ runtimeClass: 'a'.repeat(254) }, /at most 253/],
    [
      { classSettings: { labels: { 'kapp.k14s.io/app': 'x' } } },
      /^the label "kapp\.k14s\.io\/app" in spec\.runtimeClass\.labels is one of .*; take it out/,
    ],
    [
      { handler: 'spin.v2' },
      /^no RuntimeClass can have the handler "spin\.v2": .*another spec\.runtimeClass\.handler$/,
    ],
  ] as const) {
    const shim = aShim('spin', odd);
    t.match(classOf(shim, given([], {}, [shim]), now), { kind: 'invalid', changes: [], message });
  }
});

t.test('the older of two Shims has the name', async (t) => {
  const older = aShim('elder', { runtimeClass: 'class-spin', created: 0 });
  t.match(of([], {}, [spin, older]), { kind: 'claimed', changes: [], message: /the older Shim elder/ });
  t.match(classOf(older, given([], {}, [spin, older]), now), {
    kind: 'missing',
    changes: [{ kind: 'apply' }],
  });
  const going = aShim('elder', { runtimeClass: 'elsewhere', created: 0 });
  t.match(of([aClass(going, { name: 'class-spin' })], {}, [spin, going]), {
    kind: 'claimed',
    message: /still belongs to the Shim elder/,
  });
});

t.test('for another handler the RuntimeClass is replaced when no Pod uses it', async (t) => {
  const former = aClass(spin, { handler: 'spin-v1' });
  t.match(of([former]), { kind: 'uncounted', changes: [], count: ['class-spin'] });
  t.match(of([former], { 'class-spin': used(0) }), {
    kind: 'missing',
    changes: [{ kind: 'delete', class: former }],
  });
  t.match(
    of([former], { 'class-spin': used(0, now - 3_600_000) }),
    { kind: 'uncounted' },
    'an old count tells nothing',
  );
  t.match(of([former], { 'class-spin': used(3) }), {
    kind: 'in-use',
    changes: [],
    count: ['class-spin'],
    message:
      /3 Pods \(default\/web-1, …\) still use it; delete them, or set spec.runtimeClass.handler back to spin-v1/,
  });
});

t.test(
  'settings of others are recorded before a RuntimeClass is deleted, and the next one has them',
  async (t) => {
    const settings = { labels: { team: 'a' }, overhead: { podFixed: { memory: '1Mi' } } };
    const former = aClass(spin, { handler: 'spin-v1', settings });
    const use = { 'class-spin': used(0) };
    t.match(of([former], use), { kind: 'missing', changes: [], settings }, 'not before it is written down');
    const knows = aShim('spin', {
      status: {
        ...{ observedGeneration: 1, nodes: 0, nodesReady: 0, nodesUpdated: 0, nodesFailed: 0 },
        conditions: [],
        runtimeClass: printSettings(settings),
      },
    });
    const ask = (classes: readonly ClassFacts[]) => classOf(knows, given(classes, use, [knows]), now);
    t.match(ask([former]), { changes: [{ kind: 'delete' }], settings });
    t.match(ask([]), { changes: [{ kind: 'apply', settings }], settings }, 'also where a person deleted it');
    t.equal(ask([aClass(spin)]).settings, undefined, 'what is taken away there is forgotten');
    const elsewhere = aClass(spin, { name: 'before', settings });
    t.match(of([elsewhere]), { changes: [{ kind: 'apply', settings }], settings }, 'under another name, too');
    t.match(of([aClass(spin, { settings, holdsSettings: true })]), { changes: [{ kind: 'apply' }] });
  },
);

t.test('a RuntimeClass with a former name is deleted when no Pod uses it', async (t) => {
  const former = aClass(spin, { name: 'former', uid: 'f' });
  const both = [aClass(spin), former];
  t.match(of(both), { kind: 'stands', changes: [], count: ['former'] });
  t.match(of(both, { former: used(1) }), {
    changes: [],
    note: /1 Pod \(default\/web-1\) still uses its former RuntimeClass former/,
  });
  t.match(of(both, { former: used(0) }), { changes: [{ kind: 'delete', class: former }] });
});

t.test('a deleted Shim removes all its RuntimeClasses, and no other', async (t) => {
  const own = aClass(spin, { owners: [] });
  const former = aClass(spin, { name: 'former' });
  const theirs = aClass(spin, { name: 'theirs', owners: [] });
  t.same(
    classesOf(spin, given([own, former, theirs])).map(({ name }) => name),
    ['class-spin', 'former'],
  );
  t.same(classesOf(spin, given([aClass(spin, { owners: [], labels: {} })])), []);
});

t.test('a RuntimeClass that the API server refuses is reported', async (t) => {
  const refused = new Map([['class-spin', 'denied by the webhook x']]);
  const asked = (classes: readonly ClassFacts[]) => classOf(spin, { ...given(classes), refused }, now);
  t.match(asked([]), {
    kind: 'missing',
    message: /^the RuntimeClass class-spin is being created, but the API server rejects it: denied by/,
    changes: [{ kind: 'apply' }],
  });
  t.equal(asked([aClass(spin)]).message, undefined);
  const stale = asked([aClass(spin, { nodeSelector: {} })]);
  t.match(stale, {
    kind: 'stands',
    message: /^the RuntimeClass class-spin is to be changed, but the API server rejects it: denied by/,
  });
  t.notMatch(stale.message, /spec\.runtimeClass/, 'the Shim asks for nothing that could be wrong');
  const asking = aShim('spin', { classSettings: { overhead: { podFixed: { memory: '1' } } } });
  const half = classOf(asking, { ...given([aClass(spin)], {}, [asking]), refused }, now);
  t.match(half, {
    kind: 'stands',
    refused: 'denied by the webhook x',
    message: /x; if it names labels, overhead or .*, correct them in spec\.runtimeClass of this Shim$/,
  });
});
