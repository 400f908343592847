import t from 'tap';
import { detail, type StatusInput } from '../../../daemon/decide/report/node-detail.ts';
import type { Handler } from '../../../daemon/model/desired.ts';
import type { HandlerReport } from '../../../daemon/model/plan.ts';
import { type HandlerDetail, parseDetail } from '../../../protocol/node-annotations.ts';
import { handler } from '../../../testbed/simulated/bare-host.ts';

const of = (name: string, revision: string): Handler => ({
  ...handler,
  name,
  where: { file: `shims.runtime.spinkube.dev/${name}` },
  order: { shim: name, revision, scope: 'restarts' },
});
const input = (handlers: readonly HandlerReport[], over: Partial<StatusInput> = {}): StatusInput => ({
  report: {
    version: 1,
    agent: '1',
    at: '2027-01-15T08:00:00.000Z',
    outcome: { kind: 'converged' },
    runtime: { name: 'containerd', version: '2.1.9', unit: 'containerd.service' },
    handlers,
    notes: [],
    did: [],
    restarts: { lastHour: 0, last: null },
    trusted: {},
    cluster: null,
  },
  desired: [of('spin', 'r2')],
  installed: { spin: { handler: of('spin', 'r1') } },
  serves: ['runc', 'spin'],
  approvals: {
    approved: {},
    controller: undefined,
    alone: {},
    shims: { spin: { revision: 'r2', paused: false, stopped: false } },
  },
  identity: 'kubelet',
  legacyLabels: false,
  ...over,
});
const detailOf = (given: StatusInput): Readonly<Record<string, HandlerDetail>> =>
  parseDetail(detail(given, 'since'))?.shims ?? {};
const held = { shim: 'spin', revision: 'r2', hold: 'queued' } as const;
const pending: HandlerReport = { name: 'spin', state: 'pending', source: 'x', approval: held };

t.test('a pending handler reports what it serves and what it waits for', async (t) => {
  t.same(detailOf(input([pending])), { spin: { s: 'pending', n: 'spin', r: 'r1', a: 'r2', w: 'r2' } });
  const given = { approval: { shim: 'spin', revision: 'r2' } };
  t.equal(detailOf(input([{ ...pending, ...given }])).spin?.w, undefined, 'not once it is approved');
});

t.test('the reported revision is the one that the runtime serves', async (t) => {
  t.equal(detailOf(input([pending], { serves: ['runc'] })).spin?.r, undefined);
  t.equal(
    detailOf(input([pending], { serves: 'unknown' })).spin?.r,
    'r1',
    'where it does not say, as proven',
  );
  t.equal(detailOf(input([pending], { installed: {} })).spin?.r, undefined);
});

t.test('what another Shim left in a slot is not served for the one that has it now', async (t) => {
  const slotFor = (shim: string, revision: string): Handler => ({
    ...of('slot-1', revision),
    order: { shim, revision, scope: 'no-restart' },
  });
  const toldOf = (before: string) =>
    detailOf(
      input([{ name: 'slot-1', state: 'pending', source: 'x' }], {
        desired: [slotFor('spin', 'r2')],
        installed: { 'slot-1': { handler: slotFor(before, 'r1') } },
        serves: ['slot-1'],
      }),
    )['slot-1'];
  t.strictSame(toldOf('spin'), { s: 'pending', n: 'spin', r: 'r1', a: 'r2' });
  t.strictSame(toldOf('former'), { s: 'pending', n: 'spin', a: 'r2' });
});

t.test('a handler that is being removed is still reported for its Shim', async (t) => {
  const removing: HandlerReport = { name: 'spin', state: 'removing', source: 'x' };
  const none = { approved: {}, controller: undefined, alone: {}, shims: {} };
  t.same(detailOf(input([removing], { desired: [], approvals: none })), {
    spin: { s: 'removing', n: 'spin', r: 'r1', a: '-' },
  });
});

t.test('a handler of a local file belongs to no Shim', async (t) => {
  const served: HandlerReport = { name: 'spin', state: 'served', source: 'x' };
  t.same(detailOf(input([served], { desired: [handler], installed: { spin: { handler } } })), {
    spin: { s: 'served' },
  });
});

t.test('a refused Shim is reported, unless another Shim has its handler', async (t) => {
  const problem = (shim: string, name?: string) => ({
    code: 'no-platform' as const,
    message: 'no',
    where: { file: `shims.runtime.spinkube.dev/${shim}` },
    ...(name ? { handler: name } : {}),
  });
  const served: HandlerReport = { name: 'spin', state: 'served', source: 'x' };
  const problems = [
    problem('wws'),
    problem('spin'),
    problem('other', 'spin'),
    { code: 'bad-toml', message: 'x' } as const,
  ];
  t.same(detailOf(input([served], { problems })), {
    spin: { s: 'refused', n: 'spin', r: 'r1', a: 'r2', p: 'no-platform' },
    wws: { s: 'refused', n: 'wws', a: '-', p: 'no-platform' },
  });
});

t.test('a signature is its signer and the beginning of the policy', async (t) => {
  const signature = {
    signer: 'key sha256:ab',
    policy: 'cd'.repeat(32),
    prefix: '',
    log: false,
    timestamp: false,
  };
  const served: HandlerReport = { name: 'spin', state: 'served', source: 'x', signature };
  t.match(detailOf(input([served])), { spin: { g: 'key sha256:ab', y: 'cdcdcdcdcdcd' } });
  const long = { ...signature, signer: `${'i'.repeat(300)} (https://issuer.example)` };
  t.equal(detailOf(input([{ ...served, signature: long }])).spin?.g, 'i'.repeat(120));
});

t.test('a slot is told with its table, unless that is one of a Shim with nothing of its own', async (t) => {
  const slots = ['slot-1', 'slot-2', 'slot-3', 'slot-4', 'spin-v2'];
  const handlers = slots.map((name) => ({ name, state: 'prepared', source: 'x' }) as const);
  const row = (over: Partial<Handler> = {}) => ({ handler: { ...handler, options: {}, ...over } });
  const options = { Memory: '1Gi' };
  const prepared = {
    'slot-1': row(),
    'slot-2': row({ options }),
    'slot-3': row({ podAnnotations: ['run.oci.*'] }),
    'slot-4': row({ runtime: { type: 'oci', binary: 'crun', libraries: [] } }),
    'spin-v2': row({ options }),
  };
  const told = detailOf(input(handlers, { prepared }));
  t.strictSame(told['slot-1'], { s: 'prepared' });
  t.strictSame(told['spin-v2'], { s: 'prepared' }, 'no slot');
  const keys = ['slot-2', 'slot-3', 'slot-4'].map((name) => told[name]?.t);
  for (const key of keys) t.match(key, /^[0-9a-f]{12}$/);
  t.equal(new Set(keys).size, 3);
  t.strictSame(detailOf(input(handlers.slice(0, 1))), { 'slot-1': { s: 'prepared' } });
});
