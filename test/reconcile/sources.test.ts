import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { emptyLedger, type Ledger } from '../../daemon/model/ledger.ts';
import { hintOf } from '../../protocol/problem/problem.ts';
import { parseShim } from '../../daemon/shims/local-file.ts';
import { revisionOf } from '../../daemon/shims/revision.ts';
import { gather } from '../../daemon/reconcile/sources/gather.ts';
import type { ShimObject } from '../../protocol/shim-object.ts';
import { bareRoot } from '../../testbed/simulated/bare-root.ts';

const policy = { machine: 'amd64', allowUnpinned: false, allowedHosts: [] } as const;
const folder = '/etc/rcm-node/shims.d';
const shim = (name: string, version = '1'): string => `name = "${name}"
[[fetchStrategy.platforms]]
os = "linux"
arch = "amd64"
location = "https://example.com/${name}/${version}"
sha256 = "${'ab'.repeat(32)}"
`;

const setUp = (t: Test, files: Readonly<Record<string, string>>) => {
  const root = t.testdir({ etc: { 'rcm-node': { 'shims.d': files } } });
  return { root: join(root, folder), host: bareRoot(root).host };
};

/** The ledger of a host that serves these files' shims. */
const serving = (...files: readonly (readonly [file: string, text: string])[]): Ledger => ({
  ...emptyLedger,
  handlers: Object.fromEntries(
    files.map(([file, text]) => {
      const handler = parseShim(text, `${folder}/${file}`, policy);
      return [handler.name, { handler, key: 'k', sha256: 'k', path: '/p' }];
    }),
  ),
});

t.test('each .toml file is a handler, in the order of their names', async (t) => {
  const { host } = setUp(t, {
    'b.toml': shim('wws'),
    'a.toml': shim('spin'),
    'c.toml~': shim('backup'),
    '.d.toml': shim('hidden'),
    README: 'x',
  });
  const { handlers, problems, lost } = await gather(host, policy, emptyLedger);
  t.same(
    handlers.map((one) => [one.name, one.where.file]),
    [
      ['spin', `${folder}/a.toml`],
      ['wws', `${folder}/b.toml`],
    ],
  );
  t.same([problems, lost], [[], []]);
});

t.test('ignored names are logged once, all together, and are no failure', async (t) => {
  for (const name of ['x.TOML', 'x.yaml', 'x.toml.bak', 'x.Toml', 'spin', 'x.toml.dpkg-dist']) {
    const { host } = setUp(t, { 'a.toml': shim('spin'), [name]: shim('other'), '.a.toml.swp': '' });
    const desired = await gather(host, policy, emptyLedger);
    t.match(desired, {
      handlers: [{ name: 'spin' }],
      problems: [],
      lost: [],
      notes: [
        {
          code: 'ignored-file',
          message: `not read, because the name does not end in .toml: ${name}`,
          where: { file: folder },
        },
      ],
    });
  }
  const many = Array.from({ length: 12 }, (_, index) => `${String(index).padStart(2, '0')}.yaml`);
  const { host } = setUp(t, Object.fromEntries(many.map((name) => [name, ''])));
  t.match((await gather(host, policy, emptyLedger)).notes, [{ message: /09\.yaml and 2 more$/ }]);
});

t.test('an empty folder is an empty desired state', async (t) => {
  const { host } = setUp(t, {});
  t.same(await gather(host, policy, serving(['a.toml', shim('spin')])), {
    handlers: [],
    problems: [],
    lost: [],
    unheard: true,
  });
});

t.test('a missing or unreadable folder keeps what is served', async (t) => {
  const ledger = serving(['a.toml', shim('spin')]);
  const gone = bareRoot(t.testdir({})).host;
  t.same(
    await gather(gone, policy, emptyLedger),
    { handlers: [], problems: [], lost: [], unheard: true },
    'a fresh host',
  );
  t.match(await gather(gone, policy, ledger), {
    handlers: [{ name: 'spin' }],
    problems: [{ code: 'unreadable-source', message: /the folder is gone/, where: { file: folder } }],
    lost: [folder],
  });
  const file = bareRoot(t.testdir({ etc: { 'rcm-node': { 'shims.d': 'a file' } } })).host;
  t.match(await gather(file, policy, ledger), {
    handlers: [{ name: 'spin' }],
    problems: [{ code: 'unreadable-source', message: /ENOTDIR/ }],
    lost: [folder],
  });
});

t.test('a file that became invalid keeps its last content, and the others are not affected', async (t) => {
  const ledger = serving(['a.toml', shim('spin')], ['z.toml', shim('old')]);
  const { host } = setUp(t, { 'a.toml': 'name = ', 'b.toml': shim('wws'), 'c.toml': '' });
  const { handlers, problems, lost } = await gather(host, policy, ledger);
  t.same(
    handlers.map((one) => one.name),
    ['spin', 'wws'],
    'z.toml was removed on purpose',
  );
  t.match(problems, [
    { code: 'bad-toml', where: { file: `${folder}/a.toml`, line: 1 } },
    { code: 'bad-value', message: '"name" is missing' },
  ]);
  t.same(lost, [`${folder}/a.toml`, `${folder}/c.toml`]);
});

t.test('whatever is in the place of a file is reported, and the last content stays', async (t) => {
  const names = ['binary.toml', 'dangling.toml', 'folder.toml', 'huge.toml', 'pipe.toml'];
  const ledger = serving(...names.map((name, index) => [name, shim(`h${index}`)] as const));
  const { host, root } = setUp(t, { 'huge.toml': '#'.repeat(8 * 1024 * 1024 + 1) });
  mkdirSync(join(root, 'folder.toml'));
  writeFileSync(join(root, 'binary.toml'), Buffer.from([0xff, 0xfe]));
  symlinkSync('/none', join(root, 'dangling.toml'));
  execFileSync('mkfifo', [join(root, 'pipe.toml')]);
  const { handlers, problems } = await gather(host, policy, ledger);
  t.equal(handlers.length, 5);
  const file = (name: string) => ({ file: `/etc/rcm-node/shims.d/${name}` });
  t.match(problems, [
    {
      message: 'text in UTF-8 is expected, and line 1 is none',
      where: file('binary.toml'),
      hint: /iconv -f/,
    },
    { message: /a symbolic link that leads nowhere \(to \/none\)$/, hint: /Point the link to a file/ },
    { message: 'a file is expected here, and this is a folder', hint: /ls -ld .*folder\.toml$/ },
    { message: /^at most 8388608 bytes .* has 8388609$/, hint: /ls -lh .*huge\.toml$/ },
    { message: 'a file is expected here, and this is a named pipe', where: file('pipe.toml') },
  ]);
  for (const problem of problems)
    t.notMatch(hintOf(problem), 'root read', 'who may read it is not the point');
});

t.test('an unreadable file keeps its last content', async (t) => {
  const { host, root } = setUp(t, { 'a.toml': shim('spin') });
  chmodSync(join(root, 'a.toml'), 0);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  const answer = await gather(host, policy, serving(['a.toml', shim('spin')]));
  if (isRoot) process.seteuid?.(0);
  t.match(answer, { handlers: [{ name: 'spin' }], problems: [{ message: 'EACCES' }] });
});

t.test(
  'a file that others can write keeps its last content, and the message says how to fix it',
  async (t) => {
    const ledger = serving(['a.toml', shim('spin')]);
    const { host, root } = setUp(t, { 'a.toml': shim('evil'), 'b.toml': shim('wws') });
    chmodSync(join(root, 'a.toml'), 0o666);
    const { handlers, problems, lost } = await gather(host, policy, ledger);
    t.same(
      handlers.map((one) => one.name),
      ['spin', 'wws'],
    );
    const file = `${folder}/a.toml`;
    t.match(problems, [{ code: 'untrusted', message: /it has mode 0666/, where: { file } }]);
    t.match(problems[0] && hintOf(problems[0]), `chmod go-w ${file}`);
    t.same(lost, [file]);
  },
);

t.test('a folder that others can write keeps all that is served', async (t) => {
  const ledger = serving(['a.toml', shim('spin')]);
  const { host, root } = setUp(t, { 'b.toml': shim('evil') });
  chmodSync(root, 0o777);
  t.match(await gather(host, policy, ledger), {
    handlers: [{ name: 'spin' }],
    problems: [{ code: 'untrusted', where: { file: folder } }],
    lost: [folder],
  });
  rmSync(root, { recursive: true });
  chmodSync(join(root, '..'), 0o775);
  t.match((await gather(host, policy, ledger)).lost, [folder], 'also where it is gone');
});

t.test('of two claims on one handler the older file wins, and the other is reported', async (t) => {
  const { host, root } = setUp(t, { 'a.toml': shim('spin', 'new'), 'b.toml': shim('spin', 'old') });
  utimesSync(join(root, 'b.toml'), 1000, 1000);
  const { handlers, problems } = await gather(host, policy, emptyLedger);
  t.match(handlers, [{ where: { file: `${folder}/b.toml` } }]);
  t.match(problems, [
    {
      code: 'handler-claimed',
      message: `the handler "spin" is claimed by ${folder}/b.toml already, which keeps it`,
      where: { file: `${folder}/a.toml` },
      handler: 'spin',
    },
  ]);
});

t.test('the served claim wins, whatever its age, also while its file is invalid', async (t) => {
  const ledger = serving(['b.toml', shim('spin', 'old')]);
  const { host, root } = setUp(t, { 'a.toml': shim('spin', 'new'), 'b.toml': shim('spin', 'old') });
  utimesSync(join(root, 'a.toml'), 1000, 1000);
  t.match((await gather(host, policy, ledger)).handlers, [{ where: { file: `${folder}/b.toml` } }]);
  writeFileSync(join(root, 'b.toml'), 'broken');
  t.match(await gather(host, policy, ledger), {
    handlers: [{ artifact: { url: 'https://example.com/spin/old' } }],
    problems: [{ code: 'bad-toml' }, { code: 'handler-claimed', where: { file: `${folder}/a.toml` } }],
  });
});

const stored = '/var/lib/rcm-node/cluster.json';
const resource = (
  name: string,
  spec: Readonly<Record<string, unknown>> = {},
  created = '2027-01-01T00:00:00Z',
) => ({
  metadata: { name, creationTimestamp: created },
  spec: {
    fetchStrategy: {
      platforms: [
        { os: 'linux', arch: 'amd64', location: `https://example.com/${name}`, sha256: 'ab'.repeat(32) },
      ],
    },
    ...spec,
  },
});

const setUpCluster = (t: Test, files: Readonly<Record<string, string>>, ...shims: readonly unknown[]) => {
  const root = t.testdir({
    etc: { 'rcm-node': { 'shims.d': files } },
    var: { lib: { 'rcm-node': { 'cluster.json': JSON.stringify({ version: 1, node: 'n', shims }) } } },
  });
  return { root, host: bareRoot(root).host };
};

const where = (desired: Awaited<ReturnType<typeof gather>>) =>
  desired.handlers.map((one) => [one.name, one.where.file]);

t.test('Shims of the cluster and local files are served together', async (t) => {
  const { host } = setUpCluster(t, { 'wws.toml': shim('wws') }, resource('spin'));
  const desired = await gather(host, policy, emptyLedger);
  t.same(where(desired), [
    ['spin', 'shims.runtime.spinkube.dev/spin'],
    ['wws', `${folder}/wws.toml`],
  ]);
  t.same([desired.problems, desired.lost], [[], []]);
});

t.test(
  'a local file wins over a Shim of the cluster that is already served, and the Shim is reported',
  async (t) => {
    const first = await gather(setUpCluster(t, {}, resource('spin')).host, policy, emptyLedger);
    const { host } = setUpCluster(t, { 'spin.toml': shim('spin') }, resource('spin'));
    const [handler] = first.handlers;
    if (!handler) throw new Error('the Shim is valid');
    const ledger = { ...emptyLedger, handlers: { spin: { handler, key: 'k', sha256: 'k', path: '/p' } } };
    const desired = await gather(host, policy, ledger);
    t.same(where(desired), [['spin', `${folder}/spin.toml`]]);
    t.match(desired.problems, [
      { code: 'handler-claimed', where: { file: 'shims.runtime.spinkube.dev/spin' }, handler: 'spin' },
    ]);
  },
);

t.test('a Shim that asks for a slot waits for it without a problem, and has its name then', async (t) => {
  const asks = resource('spin', { rolloutStrategy: { scope: 'no-restart' } });
  const waiting = await gather(setUpCluster(t, {}, asks).host, policy, emptyLedger);
  t.same([waiting.handlers, waiting.problems, waiting.lost], [[], [], []]);
  t.match(waiting.notes, [{ code: 'no-slot', where: { file: 'shims.runtime.spinkube.dev/spin' } }]);
  const given = { ...asks, status: { slot: 'slot-2' } };
  const desired = await gather(setUpCluster(t, {}, given).host, policy, emptyLedger);
  t.match(desired.handlers, [{ name: 'slot-2', shim: 'spin', order: { scope: 'no-restart' } }]);
  const [handler] = desired.handlers;
  if (!handler) return t.fail('there is a handler');
  const path = '/opt/rcm-node/shims/slot-2/containerd-shim-slot-2';
  const installed = { handler, key: 'a'.repeat(64), sha256: 'b'.repeat(64), path };
  const lost = await gather(setUpCluster(t, {}, asks).host, policy, {
    ...emptyLedger,
    handlers: { 'slot-2': installed },
  });
  t.match(lost.handlers, [{ name: 'slot-2' }], 'a status that is lost takes nothing out of service');
  const next = {
    ...resource('next', { rolloutStrategy: { scope: 'no-restart' } }),
    status: { slot: 'slot-2' },
  };
  const passed = await gather(setUpCluster(t, {}, asks, next).host, policy, {
    ...emptyLedger,
    handlers: { 'slot-2': installed },
  });
  t.match(
    [passed.handlers, passed.problems],
    [[{ name: 'slot-2', shim: 'next' }], []],
    'nor keeps a slot that the controller gave to another',
  );
  for (const name of ['spin.v2', 'runc']) {
    const odd = {
      ...resource(name, { rolloutStrategy: { scope: 'no-restart' } }),
      status: { slot: 'slot-2' },
    };
    const { handlers, problems } = await gather(setUpCluster(t, {}, odd).host, policy, emptyLedger);
    t.match([handlers, problems], [[{ name: 'slot-2', shim: name }], []], 'its own name is no handler here');
  }
});

t.test('approvals come with the Shims, and only from the cluster', async (t) => {
  const stopped = resource('spin');
  const revision = revisionOf(stopped as ShimObject);
  const rollout = { revision, phase: 'Stopped', since: 's' };
  const { root, host } = setUpCluster(
    t,
    {},
    { ...stopped, status: { rollout } },
    resource('wws', { rolloutStrategy: { paused: true, scope: 'all' } }),
    { ...resource('old'), status: { rollout } },
  );
  const file = join(root, 'var/lib/rcm-node/cluster.json');
  const answer = JSON.parse(readFileSync(file, 'utf8')) as object;
  const approved = { spin: { value: 'r.1', until: '2027-01-15T08:00:00.000Z' } };
  writeFileSync(file, JSON.stringify({ ...answer, approvals: { approved } }));
  const { approvals, handlers } = await gather(host, policy, emptyLedger);
  t.match(approvals, {
    approved,
    controller: undefined,
    shims: {
      spin: { revision, paused: false, stopped: true },
      wws: { paused: true, stopped: false },
    },
  });
  t.equal(approvals?.shims.old?.stopped, approvals?.shims.old?.revision === revision);
  t.same(
    handlers.map((one) => one.order?.scope),
    ['restarts', 'restarts', 'all'],
  );
  t.equal((await gather(host, policy, emptyLedger, false)).approvals, undefined);
  t.equal((await gather(setUp(t, {}).host, policy, emptyLedger)).approvals, undefined);
});

t.test('where the settings name no cluster, its cached Shims are not served any more', async (t) => {
  const { host } = setUpCluster(t, { 'wws.toml': shim('wws') }, resource('spin'));
  const { handlers } = await gather(host, policy, emptyLedger);
  const ledger = {
    ...emptyLedger,
    handlers: Object.fromEntries(
      handlers.map((handler) => [handler.name, { handler, key: 'k', sha256: 'k', path: '/p' }]),
    ),
  };
  const desired = await gather(host, policy, ledger, false);
  t.same(where(desired), [['wws', `${folder}/wws.toml`]]);
  t.same([desired.problems, desired.lost], [[], []], 'nor is it a source that was lost');
});

t.test('of two Shims that claim one handler the older keeps it', async (t) => {
  const runtimeClass = { name: 'x', handler: 'spin' };
  const { host } = setUpCluster(
    t,
    {},
    resource('a', { runtimeClass }, '2027-02-01T00:00:00Z'),
    resource('b', { runtimeClass }, '2027-01-01T00:00:00Z'),
  );
  const desired = await gather(host, policy, emptyLedger);
  t.same(where(desired), [['spin', 'shims.runtime.spinkube.dev/b']]);
  t.match(desired.problems, [{ code: 'handler-claimed', where: { file: 'shims.runtime.spinkube.dev/a' } }]);
});

t.test('a Shim without a digest is refused with the name of the setting, and affects no other', async (t) => {
  const anonymous = { fetchStrategy: { anonHttp: { location: 'https://example.com/x.tar.gz' } } };
  const { host } = setUpCluster(t, {}, resource('bare', anonymous), resource('spin'));
  const desired = await gather(host, policy, emptyLedger);
  t.same(where(desired), [['spin', 'shims.runtime.spinkube.dev/spin']]);
  const [problem] = desired.problems;
  t.match(problem, { code: 'unpinned', where: { file: 'shims.runtime.spinkube.dev/bare' } });
  t.match(problem && hintOf(problem), /allowUnpinned = true in \/etc\/rcm-node\/config\.toml/);
  const allowed = await gather(host, { ...policy, allowUnpinned: true }, emptyLedger);
  t.same([where(allowed).length, allowed.problems], [2, []]);
});

t.test('a missing or damaged cache of the cluster keeps what it gave, and local files apply', async (t) => {
  const { host, root } = setUpCluster(t, { 'wws.toml': shim('wws') }, resource('spin'));
  const { handlers } = await gather(host, policy, emptyLedger);
  const ledger = {
    ...emptyLedger,
    handlers: Object.fromEntries(
      handlers.map((handler) => [handler.name, { handler, key: 'k', sha256: 'k', path: '/p' }]),
    ),
  };
  const both = [
    ['spin', 'shims.runtime.spinkube.dev/spin'],
    ['wws', `${folder}/wws.toml`],
  ];
  for (const text of ['', '{"version":1}']) {
    writeFileSync(join(root, stored), text);
    const desired = await gather(host, policy, ledger);
    t.same([where(desired), desired.lost], [both, [stored]]);
    t.match(desired.problems, [{ code: 'state-damaged', where: { file: stored } }]);
  }
  rmSync(join(root, stored));
  const desired = await gather(host, policy, ledger);
  t.same([where(desired), desired.lost], [both, [stored]]);
  t.match(desired.problems, [{ code: 'unreadable-source' }]);
});

t.test('a Shim that became invalid keeps what it gave', async (t) => {
  const before = await gather(setUpCluster(t, {}, resource('spin')).host, policy, emptyLedger);
  const [handler] = before.handlers;
  if (!handler) throw new Error('the Shim is valid');
  const ledger = { ...emptyLedger, handlers: { spin: { handler, key: 'k', sha256: 'k', path: '/p' } } };
  const broken = resource('spin', { containerdRuntimeOptions: { SystemdCgroup: 'perhaps' } });
  const desired = await gather(setUpCluster(t, {}, broken).host, policy, ledger);
  t.same(desired.handlers, [handler]);
  t.match(desired.problems, [{ code: 'bad-value', where: { file: 'shims.runtime.spinkube.dev/spin' } }]);
});

t.test('a cache of the cluster that others can write is not used', async (t) => {
  const { host, root } = setUpCluster(t, {}, resource('spin'));
  chmodSync(join(root, stored), 0o646);
  t.match(await gather(host, policy, emptyLedger), {
    handlers: [],
    problems: [{ code: 'untrusted', where: { file: stored } }],
    lost: [stored],
  });
});
