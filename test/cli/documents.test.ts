import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  doctorDocument,
  errorDocument,
  planDocument,
  reportDocument,
  schema,
  shimExampleDocument,
  shimListDocument,
  shimMirrorDocument,
  takeoverDocument,
  uninstallDocument,
  verifyDocument,
  versionDocument,
} from '../../cli/documents.ts';
import { commands, rowOf } from '../../cli/command-table.ts';
import { diffsOf } from '../../daemon/decide/report/diffs.ts';
import { nothing } from '../../daemon/model/desired.ts';
import { emptyLedger } from '../../daemon/model/ledger.ts';
import type { Report } from '../../daemon/model/outcome.ts';
import type { Decision } from '../../daemon/model/plan.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import { handler as wanted, key, observed } from '../../testbed/simulated/bare-host.ts';
import { absent } from '../../host/facts.ts';
import type { Mirrored } from '../../cli/mirror/mirror.ts';
import type { Found } from '../../daemon/reconcile/takeover/find.ts';
import { documents as documented, tables } from '../../packaging/documents/json-tables.ts';
import { outputSchema } from '../../packaging/documents/output-schema.ts';
import { validate, withoutValidator } from '../../testbed/json-schema.ts';
import { faultsOf, type Seen } from './documented.ts';

const detail = 'auth = "hunter2"';
const problem: Problem = {
  code: 'bad-toml',
  message: 'odd',
  handler: 'spin',
  where: { file: '/f', line: 1, column: 2 },
  detail,
};
const mirrored: Mirrored = {
  to: '/srv/mirror',
  lock: '/srv/mirror/rcm-node-mirror.json',
  copied: [
    {
      location: 'https://a.example/x',
      did: 'copied',
      entry: { sha256: 'ab', bytes: 1, path: 'https/a.example/x', shims: ['x'], pinned: true, files: {} },
    },
    { location: 'oci://a.example/x', did: 'failed', problem },
  ],
  mirrors: [{ prefix: 'https://', replace: 'file:///srv/mirror/https' }],
};
const handlers = [
  {
    name: 'spin',
    state: 'served',
    sha256: 'ab'.repeat(32),
    signature: { signer: 'key sha256:ab', prefix: '', policy: 'cd'.repeat(32), log: false, timestamp: false },
    source: '/f',
    start: { kind: 'started' },
  },
  {
    name: 'wws',
    state: 'pending',
    source: '/g',
    problem,
    approval: { shim: 'wws', revision: 'r', hold: 'queued' },
  },
] as const;
const report: Report = {
  version: 1,
  agent: '0.1.0',
  at: '2024-01-02T03:03:05.000Z',
  outcome: { kind: 'failed', problem, undone: true },
  runtime: { name: 'containerd', version: '2.1.0', unit: 'containerd.service' },
  handlers,
  notes: [problem],
  did: ['restart containerd.service'],
  restarts: { lastHour: 1, last: '2024-01-02T03:03:05.000Z' },
  trusted: { 'https://example.com/a': 'ab'.repeat(32) },
  cluster: {
    identity: 'kubelet',
    node: 'n',
    server: 'https://api',
    state: 'stale',
    confirmed: '2024-01-02T03:03:05.000Z',
    controller: 'alive',
    problem,
  },
};
const file = (text: string) => ({ kind: 'text', text, mode: 0o644, uid: 0, gid: 0 }) as const;
const secrets = '[registry.auth]\npassword = "hunter2"\n';
const plan: Decision['plan'] = {
  kind: 'steps',
  revision: 'r',
  because: ['new: spin'],
  disrupts: true,
  steps: [
    { kind: 'fetch', handler: wanted },
    { kind: 'write', path: '/etc/a', before: file(secrets), after: file(`${secrets}version = 2\n`) },
    { kind: 'write', path: '/etc/b', before: absent, after: file('version = 2\n') },
    { kind: 'activate', unit: 'containerd.service' },
    { kind: 'discard', key: key('b') },
    { kind: 'record', ledger: { ...emptyLedger, trusted: { 'the-ledger': 'ab'.repeat(32) } } },
  ],
};
const decision: Decision = { plan, handlers, notes: [problem] };
const ticked = {
  outcome: report.outcome,
  decision,
  before: observed,
  desired: nothing,
  did: [],
  ledger: emptyLedger,
} as const;

/** Every document in every form, with the headings of docs/json.md that tell of it. */
const found: Found = {
  tables: [
    {
      from: 'runtime-class-manager',
      handler: 'spin',
      where: { file: '/f', line: 1 },
      program: '/opt/rcm/bin/containerd-shim-spin',
      mapped: true,
      digest: 'ab'.repeat(32),
    },
    {
      from: 'the kwasm installer',
      handler: 'lunatic',
      where: { file: '/f', line: 3 },
      program: '/opt/kwasm/bin/containerd-shim-lunatic-v1',
      mapped: false,
      digest: 'cd'.repeat(32),
    },
  ],
  remnants: [
    {
      remnant: { kind: 'program', path: '/opt/rcm/bin/containerd-shim-spin', is: '1 bytes of 2' },
      from: 'runtime-class-manager',
      mapped: true,
    },
  ],
  left: [{ where: { file: '/usr/local/sbin/crun' }, why: 'unknown' }],
};

const sample = { name: 'spin', what: 'Spin', version: 'v1', state: 'maintained', text: '' } as const;

const documents: readonly (readonly [headings: readonly string[], value: object])[] = [
  [['Report'], reportDocument('status', 1, report)],
  [
    ['Report'],
    reportDocument('once', 0, {
      ...report,
      outcome: { kind: 'converged' },
      runtime: null,
      handlers: [],
      cluster: null,
      restarts: { lastHour: 0, last: null },
    }),
  ],
  ...(['waiting', 'degraded', 'refused'] as const).map(
    (kind) =>
      [
        ['Report'],
        reportDocument('status', 3, {
          ...report,
          outcome:
            kind === 'waiting'
              ? { kind, for: [problem] }
              : kind === 'degraded'
                ? { kind, problems: [problem] }
                : { kind, problem },
        }),
      ] as const,
  ),
  [['Plan'], planDocument(4, '0.1.0', decision, [problem], diffsOf(plan))],
  [['Plan'], planDocument(3, '0.1.0', { ...decision, plan: { kind: 'refused', problem } }, [], [])],
  [['Plan'], planDocument(0, '0.1.0', { ...decision, plan: { kind: 'settled' } }, [], [])],
  [
    ['Doctor'],
    doctorDocument(1, '0.1.0', [
      { what: 'host', verdict: 'good', says: 'fine' },
      { what: 'CRI', verdict: 'bad', says: 'silent', detail, hint: 'look', code: 'runtime-unreachable' },
      { what: 'approvals', verdict: 'good', says: 'fine' },
    ]),
  ],
  [
    ['Verify'],
    verifyDocument(1, {
      a: { kind: 'started' },
      b: { kind: 'listed', why: 'no image' },
      c: { kind: 'failed', problem },
    }),
  ],
  [
    ['Uninstall'],
    uninstallDocument(
      0,
      {
        ticked,
        complete: true,
        removed: ['the handler spin'],
        left: [
          { path: '/etc/x', why: 'yours', command: 'rm /etc/x', open: 'waits' },
          { path: 'Node', why: 'x' },
        ],
        unproven: { why: 'it does not run', command: 'systemctl start x' },
      },
      report,
    ),
  ],
  [['Takeover'], takeoverDocument(0, found, { report })],
  [['Takeover'], takeoverDocument(4, found, { decision, files: diffsOf(plan) })],
  [['ShimList'], shimListDocument(0, [sample])],
  [['ShimMirror'], shimMirrorDocument(0, mirrored)],
  [['ShimExample'], shimExampleDocument(0, sample, 'name = "spin-v2"\n')],
  [['Version'], versionDocument(0, '0.1.0', 'v26', 'x64')],
  [['Error'], errorDocument('plan', 1, problem)],
  [['Error'], errorDocument(null, 2, { code: 'bad-usage', message: 'x' })],
  [['Error'], errorDocument('once', 1, { code: 'write-conflict', message: 'x' })],
];

t.test('renamed fields stay in the JSON documents by their former names', async (t) => {
  t.match(errorDocument('once', 1, { code: 'write-conflict', message: 'x' }), {
    error: { code: 'write-conflict', formerCode: 'fight' },
  });
  t.match(doctorDocument(0, '1', [{ what: 'approvals', verdict: 'good', says: 'fine' }]), {
    checks: [{ what: 'approvals', formerWhat: 'turns' }],
  });
  const approval = { shim: 'wws', revision: 'r', hold: 'self-scheduled' } as const;
  t.match(reportDocument('status', 4, { ...report, handlers: [{ ...handlers[1], approval }] }), {
    handlers: [
      {
        rollout: { shim: 'wws', revision: 'r', waitReason: 'self-scheduled' },
        turn: { shim: 'wws', revision: 'r', hold: 'alone' },
      },
    ],
  });
});

t.test('every document has the fields that docs/json.md lists, of these types, and no other', async (t) => {
  for (const [headings, value] of documents)
    t.same(faultsOf(['Every document', ...headings], JSON.parse(JSON.stringify(value))), [], headings.join());
});

t.test('docs/json.md lists no field that no document has', async (t) => {
  const seen: Seen = new Set();
  for (const [headings, value] of documents)
    faultsOf(['Every document', ...headings], JSON.parse(JSON.stringify(value)), '$', seen);
  const rows = [...tables].flatMap(([heading, fields]) => fields.map(({ name }) => `${heading}.${name}`));
  t.ok(rows.length > 60, `${rows.length} rows`);
  t.same(
    rows.filter((row) => !seen.has(row)),
    [],
  );
});

t.test('the check of documents sees what is wrong', async (t) => {
  const good = { schema: 1, command: null, exitCode: 1, error: { code: 'c', message: 'm', hint: 'h' } };
  const all = ['Every document', 'Error'];
  t.same(faultsOf(all, good), []);
  t.same(faultsOf(all, { ...good, more: 1 }), ['$.more is not documented']);
  t.same(faultsOf(all, { ...good, exitCode: '1' }), ['$.exitCode is "1", not a number']);
  t.same(faultsOf(all, { ...good, error: { code: 'c', message: 'm' } }), ['$.error.hint is missing']);
});

t.test('no document contains output of other programs, a ledger, or a whole foreign file', async (t) => {
  for (const [headings, value] of documents)
    t.notMatch(JSON.stringify(value), /hunter2|the-ledger|"(before|after|ledger)":/, headings.join());
});

t.test('the version of the schema is in each document, and in its description', async (t) => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/json.md'), 'utf8');
  t.match(text, `It is ${schema}.`);
  for (const [, value] of documents) t.match(value, { schema, exitCode: Number });
});

t.test('every document is valid by the JSON Schema of the output', { skip: withoutValidator }, async (t) => {
  const values = documents.map(([, value]) => JSON.parse(JSON.stringify(value)));
  t.same(
    validate(outputSchema(), values).flatMap((faults, index) =>
      faults.length > 0 ? [[values[index], faults]] : [],
    ),
    [],
  );
});

t.test(
  'the JSON Schema refuses what is wrong, and takes what a later version adds',
  { skip: withoutValidator },
  async (t) => {
    const good = JSON.parse(JSON.stringify(reportDocument('status', 1, report)));
    const bare = { schema: 1, command: 'status', exitCode: 0 };
    const wrong = [
      { ...good, schema: 2 },
      { ...good, exitCode: '0' },
      { ...good, command: 'version' },
      { ...good, handlers: [{ name: 'spin' }] },
      { ...good, cluster: { ...good.cluster, identity: 'root' } },
      bare,
      { ...bare, command: null },
    ];
    for (const [index, faults] of validate(outputSchema(), wrong).entries())
      t.not(faults.length, 0, JSON.stringify(wrong[index]));
    const later = { ...good, more: 1, handlers: [{ ...good.handlers[0], state: 'new', more: 1 }] };
    t.same(validate(outputSchema(), [good, later]), [[], []]);
  },
);

t.test('docs/json.md has the document of each command with --json', async (t) => {
  const described = documented.flatMap((one) => one.commands);
  for (const name of Object.keys(commands) as (keyof typeof commands)[])
    t.equal(described.includes(name), 'json' in rowOf(name).options, name);
});
