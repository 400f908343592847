import t from 'tap';
import { annotations, parseDetail } from '../../../protocol/node-annotations.ts';
import {
  eventText,
  hashOf,
  noStatus,
  patchOf,
  sinceOf,
  statusOf,
} from '../../../daemon/decide/report/node-status.ts';
import type { Handler } from '../../../daemon/model/desired.ts';
import type { StatusInput } from '../../../daemon/decide/report/node-detail.ts';
import type { Report } from '../../../daemon/model/outcome.ts';

const handler = (name: string, over: Partial<Handler> = {}): Handler => ({
  name,
  shim: name,
  artifact: { url: 'https://example.com/a', sha256: 'ab'.repeat(32) },
  runtime: { type: 'shim' },
  options: {},
  podAnnotations: [],
  containerAnnotations: [],
  where: { file: `shims.runtime.spinkube.dev/${name}` },
  ...over,
});

const report = (over: Partial<Report> = {}): Report => ({
  version: 1,
  agent: '1.2.3',
  at: '2027-01-15T08:00:00.000Z',
  outcome: { kind: 'converged' },
  runtime: { name: 'containerd', version: '2.1.9', unit: 'containerd.service' },
  handlers: [{ name: 'spin', state: 'served', source: 'x', sha256: 'ab'.repeat(32) }],
  notes: [],
  did: [],
  restarts: { lastHour: 0, last: null },
  trusted: {},
  cluster: null,
  ...over,
});

const input = (over: Partial<StatusInput> = {}): StatusInput => ({
  report: report(),
  desired: [handler('spin')],
  installed: { spin: { handler: handler('spin') } },
  serves: ['runc', 'spin'],
  identity: 'kubelet',
  legacyLabels: false,
  ...over,
});

const since = '2027-01-15T08:00:00.000Z';
const onNode = (given: StatusInput) => {
  const status = statusOf(given, since);
  return {
    name: 'n',
    annotations: { ...status.annotations, other: 'x' },
    labels: { ...status.labels, zone: 'a' },
  };
};

t.test('a node in the desired state reports it in text, hashes and labels', async (t) => {
  const { annotations: said, labels } = statusOf(input(), since);
  t.equal(said[annotations.state], 'Ready');
  t.match(said[annotations.reason], /^Converged: Serving 1 of 1 \(spin\) on containerd 2\.1\.9/);
  t.match(said[annotations.desired], /^[0-9a-f]{16}$/);
  t.equal(said[annotations.applied], said[annotations.desired]);
  t.equal(said[annotations.agent], '1.2.3');
  t.same(JSON.parse(said[annotations.status] ?? ''), {
    v: 1,
    agent: '1.2.3',
    runtime: 'containerd/2.1.9',
    identity: 'kubelet',
    since,
    shims: { spin: { s: 'served', d: 'abababababab' } },
  });
  t.same(labels, { 'shim.rcm.spinkube.dev/spin': 'served' });
});

t.test('a node reports its machine and its boot', async (t) => {
  const ids = { machine: 'ab12', boot: '0c8a7b9e' };
  const said = statusOf(input({ ids }), since).annotations[annotations.status] ?? '';
  t.match(JSON.parse(said), ids);
  t.match(parseDetail(said), ids);
  const { ids: none, ...rest } = { ...input(), ids };
  t.ok(
    patchOf(onNode(rest), statusOf({ ...rest, ids: { ...none, boot: 'x' } }, since)),
    'a reboot is told, though nothing else changed',
  );
});

t.test('the state of the connection to the cluster is not written on the Node', async (t) => {
  for (const state of ['connecting', 'synced', 'stale'] as const) {
    const cluster = { identity: 'kubelet', node: 'n', server: 'x', state, confirmed: null } as const;
    const { annotations: said } = statusOf(input({ report: report({ cluster }) }), since);
    t.equal(said[annotations.reason], 'Converged: Serving 1 of 1 (spin) on containerd 2.1.9');
  }
});

t.test('in steady state nothing is written', async (t) => {
  t.equal(patchOf(onNode(input()), statusOf(input(), since)), undefined);
});

t.test('an Event says what to do about the first problem', async (t) => {
  t.equal(eventText(report()), 'Serving 1 of 1 (spin) on containerd 2.1.9');
  const problem = { code: 'bad-archive', message: 'it is damaged', hint: 'Mend it.' } as const;
  const outcome = { kind: 'degraded', problems: [problem, problem] } as const;
  t.match(
    eventText(report({ outcome })),
    /degraded: it is damaged \(bad-archive\) \(and 1 more\); what to do: Mend it\.$/,
  );
});

t.test('hashes cover the meaning, not the order nor the source', async (t) => {
  const [a, b] = [handler('a'), handler('b')];
  t.equal(hashOf([a, b]), hashOf([b, { ...a, where: { file: '/etc/rcm-node/shims.d/a.toml' } }]));
  t.not(hashOf([a]), hashOf([{ ...a, artifact: { url: a.artifact.url, sha256: 'cd'.repeat(32) } }]));
});

t.test(
  'a new version that is not in place yet shows as two hashes, and the old one stays served',
  async (t) => {
    const { annotations: said, labels } = statusOf(
      input({
        report: report({
          outcome: { kind: 'waiting', for: [{ code: 'download-failed', message: 'no route' }] },
          handlers: [{ name: 'spin', state: 'pending', source: 'x' }],
        }),
        desired: [handler('spin', { artifact: { url: 'https://example.com/b' } })],
      }),
      since,
    );
    t.equal(said[annotations.state], 'Waiting');
    t.equal(said[annotations.reason], 'DownloadFailed: no route');
    t.not(said[annotations.applied], said[annotations.desired]);
    t.same(labels, { 'shim.rcm.spinkube.dev/spin': 'served' });
  },
);

t.test('a handler that the runtime does not serve, or that is being removed, attracts no Pods', async (t) => {
  t.same(statusOf(input({ serves: ['runc'] }), since).labels, {});
  t.same(
    statusOf(
      input({ report: report({ handlers: [{ name: 'spin', state: 'removing', source: 'x' }] }) }),
      since,
    ).labels,
    {},
  );
  t.same(statusOf(input({ serves: 'unknown' }), since).labels, { 'shim.rcm.spinkube.dev/spin': 'served' });
});

t.test('each outcome has its own state', async (t) => {
  const problem = { code: 'not-ready', message: 'x' } as const;
  const state = (outcome: Report['outcome']) =>
    statusOf(input({ report: report({ outcome }) }), since).annotations[annotations.state];
  t.same(
    [
      state({ kind: 'converged' }),
      state({ kind: 'waiting', for: [] }),
      state({ kind: 'degraded', problems: [problem] }),
      state({ kind: 'failed', problem, undone: true }),
      state({ kind: 'failed', problem, undone: false }),
      state({ kind: 'refused', problem }),
    ],
    ['Ready', 'Waiting', 'Degraded', 'RolledBack', 'Failed', 'Refused'],
  );
});

t.test('another text for the same reason is no transition', async (t) => {
  const failing = (message: string): StatusInput =>
    input({
      report: report({ outcome: { kind: 'waiting', for: [{ code: 'download-failed', message }] } }),
    });
  const before = onNode(failing('attempt 1'));
  t.equal(patchOf(before, statusOf(failing('attempt 2'), since)), undefined);
  const other = input({
    report: report({ outcome: { kind: 'waiting', for: [{ code: 'disk-full', message: 'x' }] } }),
  });
  t.same(patchOf(before, statusOf(other, since)), {
    metadata: { annotations: { [annotations.reason]: 'DiskFull: x' } },
  });
});

t.test('the time of the state stays as long as the state', async (t) => {
  const node = onNode(input());
  t.equal(sinceOf(node, report({ at: '2028-01-01T00:00:00.000Z' })), since);
  t.equal(sinceOf({ name: 'n' }, report()), '2027-01-15T08:00:00.000Z');
  t.equal(
    sinceOf(node, report({ at: '2028-01-01T00:00:00.000Z', outcome: { kind: 'waiting', for: [] } })),
    '2028-01-01T00:00:00.000Z',
  );
  const garbled = { ...node, annotations: { ...node.annotations, [annotations.status]: '{' } };
  t.equal(sinceOf(garbled, report({ at: '2028-01-01T00:00:00.000Z' })), '2028-01-01T00:00:00.000Z');
});

t.test('an uninstall removes our keys, and no others', async (t) => {
  const node = onNode(input({ legacyLabels: true }));
  const patch = patchOf(
    { ...node, annotations: { ...node.annotations, 'rcm.spinkube.dev/paused': 'x' } },
    noStatus,
  );
  t.same(patch?.metadata.labels, { 'shim.rcm.spinkube.dev/spin': null, spin: null });
  t.same(
    Object.keys(patch?.metadata.annotations ?? {}).sort(),
    Object.values(annotations).sort(),
    'a controller’s key stays',
  );
  t.equal(patchOf({ name: 'n', labels: { zone: 'a' } }, noStatus), undefined);
});

t.test('labels as runtime-class-manager sets them are set on request, and removed by evidence', async (t) => {
  const given = input({
    legacyLabels: true,
    report: report({
      handlers: [
        { name: 'spin', state: 'served', source: 'x' },
        { name: 'wws', state: 'failed', source: 'x' },
      ],
    }),
    desired: [handler('spin', { shim: 'spin-v2' }), handler('wws')],
  });
  const { labels } = statusOf(given, since);
  t.match(labels, { 'spin-v2': 'provisioned', wws: 'failed' });
  const off = patchOf(onNode(given), statusOf({ ...given, legacyLabels: false }, since));
  t.same(off?.metadata.labels, { 'spin-v2': null, wws: null });
  const foreign = { ...onNode(given), labels: { 'spin-v2': 'by hand' } };
  t.notOk(
    'spin-v2' in
      (patchOf(foreign, statusOf({ ...given, legacyLabels: false }, since))?.metadata.labels ?? {}),
    'a value that rcm-node never writes belongs to another program',
  );
  for (const left of ['provisioned', 'pending', 'failed', 'uninstall'])
    t.match(
      patchOf({ name: 'n', labels: { 'spin-v2': left, wws: left } }, statusOf(given, since))?.metadata.labels,
      left === 'provisioned' ? { wws: 'failed' } : { 'spin-v2': 'provisioned' },
      `its own ${left} is replaced`,
    );
  const also = patchOf(foreign, statusOf(given, since));
  t.same(also?.metadata.labels, { wws: 'failed', 'shim.rcm.spinkube.dev/spin': 'served' });
});

t.test('many handlers and long reasons do not exceed the limits of a Node', async (t) => {
  const many = Array.from({ length: 300 }, (_one, index) => `handler-number-${index}`);
  const { annotations: said } = statusOf(
    input({
      report: report({
        handlers: many.map((name) => ({ name, state: 'served', source: 'x', sha256: 'ab'.repeat(32) })),
        outcome: { kind: 'degraded', problems: [{ code: 'internal', message: 'ü'.repeat(3000) }] },
      }),
    }),
    since,
  );
  const status = said[annotations.status] ?? '';
  t.ok(Buffer.byteLength(status) <= 8192);
  t.match(JSON.parse(status), { trunc: true, shims: { 'handler-number-0': { s: 'served' } } });
  const reason = said[annotations.reason] ?? '';
  t.ok(Buffer.byteLength(reason) <= 512 && reason.endsWith('ü…'), 'cut between characters');
});

t.test('a prepared handler is served by no label, although the runtime lists it', async (t) => {
  const handlers = [{ name: 'slot-1', state: 'prepared', source: '/etc/rcm-node/config.toml' }] as const;
  const given = input({
    report: report({ handlers }),
    desired: [],
    installed: {},
    serves: ['runc', 'slot-1'],
  });
  for (const serves of [given.serves, 'unknown'] as const) {
    const { labels, annotations: said } = statusOf({ ...given, serves, legacyLabels: true }, since);
    t.strictSame(labels, {});
    t.match(JSON.parse(said[annotations.status] ?? ''), { shims: { 'slot-1': { s: 'prepared' } } });
    t.match(said[annotations.reason], /^Converged: Nothing is asked for, 1 prepared/);
  }
});
