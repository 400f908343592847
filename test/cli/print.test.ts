import t from 'tap';
import { paintFor, printChecks, printReport, printTrouble, printUninstalled } from '../../cli/print.ts';
import { emptyLedger } from '../../daemon/model/ledger.ts';
import type { Report } from '../../daemon/model/outcome.ts';
import { type Code, codes } from '../../protocol/problem/problem.ts';
import { nothing } from '../../daemon/model/desired.ts';
import { observed } from '../../testbed/simulated/bare-host.ts';

const plain = paintFor(false, undefined);
const colour = paintFor(true, undefined);
const now = Date.parse('2024-01-02T03:04:05Z');
const report: Report = {
  version: 1,
  agent: '0.1.0',
  at: '2024-01-02T03:03:05.000Z',
  outcome: { kind: 'converged' },
  runtime: { name: 'containerd', version: '2.1.0', unit: 'containerd.service' },
  handlers: [],
  notes: [],
  did: [],
  restarts: { lastHour: 0, last: null },
  trusted: {},
  cluster: null,
};
const problem = { code: 'bad-toml', message: 'odd', where: { file: '/f', line: 2 } } as const;

t.test('colour is for terminals, and NO_COLOR takes it away', async (t) => {
  t.equal(colour.good('x'), '\u001b[32mx\u001b[39m');
  t.equal(paintFor(true, '').bad('x'), '\u001b[31mx\u001b[39m', 'an empty NO_COLOR says nothing');
  for (const paint of [plain, paintFor(true, '1'), paintFor(false, '')])
    t.equal(paint.good(paint.bad(paint.warn(paint.dim(paint.bold('x'))))), 'x');
});

t.test('a problem is a line with its place, and a line with the way out', async (t) => {
  t.equal(printTrouble(problem, plain), `✗ /f:2: odd (bad-toml)\n  ${codes['bad-toml'].hint}\n`);
  t.equal(printTrouble({ ...problem, hint: 'do this' }, plain), '✗ /f:2: odd (bad-toml)\n  do this\n');
});

t.test('each problem is printed with its code', async (t) => {
  for (const code of Object.keys(codes) as Code[]) {
    const line = printTrouble({ code, message: 'odd' }, plain).split('\n')[0];
    t.match(line, new RegExp(`^[✗!] odd \\(${code}\\)$`));
  }
});

t.test('a host without a desired state is two lines', async (t) => {
  t.equal(
    printReport(report, plain, now),
    '● Nothing is asked for on containerd 2.1.0\n  rcm-node 0.1.0, converged, 60 s ago\n',
  );
});

t.test(
  'handlers are a table that fits its longest name, each with its state and where it comes from',
  async (t) => {
    const handlers = [
      { name: 'spin', state: 'served', sha256: 'ab'.repeat(32), source: '/s/a.toml' },
      { name: 'a-very-long-handler-name', state: 'removing', source: '/s/b.toml' },
      { name: 'x', state: 'failed', source: '/s/c.toml', problem },
    ] as const;
    const outcome = { kind: 'degraded', problems: [problem] } as const;
    const text = printReport({ ...report, handlers, outcome, notes: [problem] }, plain, now);
    t.equal(
      text,
      `● Serving 2 of 3 (spin, a-very-long-handler-name) on containerd 2.1.0
  rcm-node 0.1.0, degraded, 60 s ago

  HANDLER                   STATE     SHA256        SOURCE
  spin                      served    abababababab  /s/a.toml
  a-very-long-handler-name  removing  -             /s/b.toml
  x                         failed    -             /s/c.toml

✗ /f:2: odd (bad-toml)
  ${codes['bad-toml'].hint}
`,
      'a problem that is told twice is printed once',
    );
  },
);

t.test('every state and every outcome has a colour of its own kind', async (t) => {
  const handlers = (['served', 'pending', 'removing', 'failed', 'refused'] as const).map((state) => ({
    name: state,
    state,
    source: '/f',
  }));
  const text = printReport({ ...report, handlers }, colour, now);
  for (const [state, code] of [
    ['served', 32],
    ['pending', 33],
    ['removing', 33],
    ['failed', 31],
    ['refused', 31],
  ] as const)
    t.match(text, `\u001b[${code}m${state}`);
  const mark = (outcome: Report['outcome']) => printReport({ ...report, outcome }, colour, now).slice(0, 5);
  t.equal(mark({ kind: 'converged' }), '\u001b[32m');
  t.equal(mark({ kind: 'waiting', for: [] }), '\u001b[33m');
  for (const bad of [
    { kind: 'degraded', problems: [] },
    { kind: 'failed', problem, undone: true },
    { kind: 'refused', problem },
  ] as const)
    t.equal(mark(bad), '\u001b[31m', bad.kind);
});

t.test('what was done, and when the runtime was last restarted, is printed', async (t) => {
  const text = printReport(
    {
      ...report,
      did: ['restart containerd.service'],
      restarts: { lastHour: 1, last: '2024-01-02T01:04:05Z' },
    },
    plain,
    now,
  );
  t.match(text, '\n✓ restart containerd.service\n\n  last restart of the runtime by rcm-node 2 h ago\n');
  const aged = (at: string) =>
    printReport({ ...report, at }, plain, now)
      .trimEnd()
      .split(', ')
      .at(-1);
  t.same(
    ['2024-01-02T03:04:06Z', '2024-01-02T02:34:05Z', '2024-01-01T03:04:05Z', '2023-12-30T03:04:05Z'].map(
      aged,
    ),
    ['0 s ago', '30 min ago', '24 h ago', '3 d ago'],
  );
});

t.test('each check has a mark, and a hint where there is one', async (t) => {
  t.equal(
    printChecks(
      [
        { what: 'host', verdict: 'good', says: 'fine' },
        { what: 'disk', verdict: 'warn', says: 'full', hint: 'free some' },
        { what: 'CRI', verdict: 'bad', says: 'silent', code: 'runtime-unreachable' },
        { what: 'service', verdict: 'unknown', says: 'who knows' },
      ],
      plain,
    ),
    '✓ host: fine\n! disk: full\n  free some\n✗ CRI: silent (runtime-unreachable)\n? service: who knows\n',
  );
});

t.test('an uninstall prints what was removed, what stays and why', async (t) => {
  const ticked = {
    outcome: { kind: 'converged' },
    decision: { plan: { kind: 'settled' }, handlers: [], notes: [] },
    before: observed,
    desired: nothing,
    did: ['remove /etc/x'],
    ledger: emptyLedger,
  } as const;
  const rest = { removed: [], left: [], unproven: undefined };
  const gone = { ...rest, ticked, complete: true, removed: ['the handler spin', '/opt/rcm-node/store'] };
  t.equal(
    printUninstalled(gone, plain),
    'Removed:\n  ✓ the handler spin\n  ✓ /opt/rcm-node/store\nNothing of rcm-node stays on this host.\n',
  );
  const left = [
    { path: '/opt/rcm-node/store', why: 'it is in use', command: 'rcm-node uninstall' },
    { path: '/etc/rcm-node', why: 'it is yours', command: 'rm -r /etc/rcm-node' },
    { path: 'Node', why: 'it cannot be asked' },
  ];
  const unproven = { why: 'x.service is inactive', command: 'systemctl start x' };
  t.equal(
    printUninstalled({ ...gone, left, unproven }, plain),
    `Removed:
  ✓ the handler spin
  ✓ /opt/rcm-node/store
Kept:
  · /opt/rcm-node/store: it is in use
  · /etc/rcm-node: it is yours
  · Node: it cannot be asked
Not proven:
  ! x.service is inactive
To finish:
  systemctl start x
  rm -r /etc/rcm-node
  rcm-node uninstall
`,
  );
  t.match(printUninstalled({ ...gone, removed: [] }, plain), /^No change of rcm-node was left .*\nNothing/);
  const waits = { ...ticked, outcome: { kind: 'waiting', for: [problem] } } as const;
  t.match(
    printUninstalled({ ...rest, ticked: waits, complete: false }, plain),
    new RegExp(
      `^✓ remove /etc/x\n✗ /f:2: odd \\(bad-toml\\)\n  ${codes['bad-toml'].hint}\nNot everything was removed; run`,
    ),
  );
});

t.test('a wait for an approval is printed beside other problems, and so is the controller', async (t) => {
  const problem = {
    code: 'rollout-pending',
    message: 'the Shim "spin" waits for approval',
    handler: 'spin',
  } as const;
  const approval = { shim: 'spin', revision: 'r', hold: 'queued' } as const;
  const cluster = { identity: 'kubelet', node: 'n', server: null, state: 'synced', confirmed: null } as const;
  const given: Report = {
    ...report,
    outcome: { kind: 'degraded', problems: [{ code: 'bad-toml', message: 'x' }] },
    handlers: [{ name: 'spin', state: 'pending', source: 'x', problem, approval }],
  };
  const say = (controller?: 'alive' | 'none' | 'unknown'): string =>
    printReport({ ...given, cluster: { ...cluster, ...(controller ? { controller } : {}) } }, plain, now);
  t.match(say(), /the Shim "spin" waits for approval/);
  t.notMatch(say(), /controller/);
  t.match(say('alive'), /cluster: node n.*; a controller approves changes\n/);
  t.match(say('none'), /schedules changes itself/);
  t.match(say('unknown'), /not known yet whether a controller runs/);
});

t.test('a report fits 40 and 80 columns, and paths stay whole', async (t) => {
  const source = '/etc/rcm-node/shims.d/spin-v2.toml';
  const handlers = [
    { name: 'spin-v2', state: 'served', sha256: 'ab'.repeat(32), source },
    { name: 'a-very-long-handler-name', state: 'failed', source: `${source}.more`, problem },
  ] as const;
  const wordy = {
    ...problem,
    message: `expected one thing in the file, found another: ${'so '.repeat(30)}`.trim(),
  };
  const given = { ...report, handlers, outcome: { kind: 'degraded', problems: [wordy] } } as const;
  for (const columns of [40, 80]) {
    const text = printReport(given, plain, now, columns);
    for (const line of text.split('\n'))
      t.ok(line.length <= columns || line.trim().split(' ').length === 1, `${columns}: ${line}`);
    for (const whole of [source, 'spin-v2  served', 'abababababab'])
      t.match(text, whole, `${columns}: ${whole}`);
  }
  const wide = printReport(given, plain, now);
  t.match(wide, /HANDLER +STATE +SHA256 +SOURCE\n/);
  t.equal(wide.split('\n').filter((line) => line.includes('so so')).length, 1, 'in a file no line is broken');
});

t.test('a dumb terminal gets no colour', async (t) => {
  t.equal(paintFor(true, undefined, 'dumb').bad('x'), 'x');
  t.equal(paintFor(true, undefined, 'xterm').bad('x'), '\u001b[31mx\u001b[39m');
});

t.test('who signed an artifact is a line, with what others proved of it', async (t) => {
  const signature = {
    signer: 'key sha256:ab',
    policy: 'cd'.repeat(32),
    prefix: '',
    log: false,
    timestamp: false,
  };
  const of = (more: object): string =>
    printReport(
      {
        ...report,
        handlers: [{ name: 'spin', state: 'served', source: '/s', signature: { ...signature, ...more } }],
      },
      plain,
      now,
    );
  t.match(of({}), /\n {2}spin is signed by key sha256:ab\n/);
  t.match(
    of({ log: true, timestamp: true }),
    /by key sha256:ab, proven by a transparency log and a timestamp authority\n/,
  );
});
