import { chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Host } from '../../host/host.ts';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { loadSettings, openSettings } from '../../daemon/state/load-settings.ts';
import { bareRoot } from '../../testbed/simulated/bare-root.ts';
import { makeRoot, type Node, openNode, shimFile, writeShim } from '../../testbed/simulated/node.ts';

const file = '/etc/rcm-node/config.toml';
const kept = '/var/lib/rcm-node/last-good-config.toml';
const strict = 'allowedHosts = ["good.example"]\n[cluster]\nidentity = "none"\n';

/** What may become of the file, by bad luck or by a slip of a person. */
const spoilers: Readonly<Record<string, (path: string) => void>> = {
  'a misspelt key': (path) => writeFileSync(path, strict.replace('allowedHosts', 'alowedHosts')),
  'a key of a newer version': (path) => writeFileSync(path, `requireSignature = true\n${strict}`),
  'no TOML': (path) => writeFileSync(path, 'allowedHosts = ['),
  'bytes that are no text': (path) => writeFileSync(path, Buffer.from([0xff])),
  'bytes that a crash zeroed': (path) => writeFileSync(path, Buffer.alloc(strict.length)),
  'no bytes at all, as in the middle of a write': (path) => truncateSync(path),
  'blanks alone': (path) => writeFileSync(path, ' \n'),
  '200 MB': (path) => truncateSync(path, 200_000_000),
  'a folder': (path) => {
    rmSync(path);
    mkdirSync(path);
  },
  'a link that leads nowhere': (path) => {
    rmSync(path);
    symlinkSync('nowhere.toml', path);
  },
  'a folder that is gone': (path) => rmSync(join(path, '..'), { recursive: true }),
  'a folder that is gone, and that systemd made anew': (path) => {
    rmSync(join(path, '..'), { recursive: true });
    mkdirSync(join(path, '..'));
  },
  'a folder that is a file': (path) => {
    rmSync(join(path, '..'), { recursive: true });
    writeFileSync(join(path, '..'), '');
  },
};

/** A disk that answers so, for the settings or for their folder. */
const failing = (host: Host, errno: string): Host => ({
  ...host,
  files: {
    ...host.files,
    lookTrusted: async (path) =>
      path === file ? { kind: 'unreadable', why: errno, errno } : host.files.lookTrusted(path),
  },
});

/** A node that serves a shim, under a policy that forbids another. */
const guarded = async (t: Test): Promise<Node> => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write(file, strict);
  writeShim(node, 'spin-v2');
  t.equal((await node.once()).outcome.kind, 'converged');
  return node;
};

/** Two shims that the policy forbids: one of a file, one of the cluster. */
const forbid = (node: Node): void => {
  const remote = shimFile('evil').replace('file:///srv/artifacts/evil', 'https://bad.example/evil');
  node.write('/etc/rcm-node/shims.d/evil.toml', remote);
  const fetchStrategy = { anonHttp: { location: 'https://bad.example/worse', sha256: 'ab'.repeat(32) } };
  const shims = [{ metadata: { name: 'worse' }, spec: { fetchStrategy } }];
  node.write('/var/lib/rcm-node/cluster.json', JSON.stringify({ version: 1, node: 'n', shims }));
};

/** No download is even begun. */
const offline = (t: Test, host: Host): Host => ({
  ...host,
  download: async (location) => t.fail(`it fetches ${location}`) as never,
});

t.test(
  'however the settings change or fail, no more is allowed than before, and what is served stays',
  async (t) => {
    const node = await guarded(t);
    const { host, containerd } = node.fake;
    const drop = '/etc/containerd/conf.d/zz-rcm-node.toml';
    const before = { drop: node.read(drop), served: containerd.served() };
    containerd.jobs.length = 0;
    /** As a service that has just started would. */
    const start = () => node.once({ deep: false }, offline(t, host));
    for (const [what, spoil] of Object.entries(spoilers))
      await t.test(what, async (t) => {
        node.remove('/etc/rcm-node');
        node.write(file, strict);
        writeShim(node, 'spin-v2');
        await openSettings(host)();
        forbid(node);
        spoil(join(node.root, file));

        t.match(await openSettings(host)(), {
          allowedHosts: ['good.example'],
          cluster: { identity: 'none' },
          closed: false,
          problem: {
            code: 'bad-settings',
            message: /; the last valid settings stay in force$/,
            where: { file: /rcm-node/ },
          },
        });
        const first = await start();
        t.match(first.outcome, { kind: 'degraded', problems: [{ code: 'bad-settings' }] });
        t.match(first.decision.handlers, [{ name: 'spin-v2', state: 'served' }]);
        t.equal(first.decision.handlers.length, 1);

        node.remove(kept);
        if (what.startsWith('a folder that is gone')) {
          // Then no settings were ever given here.
          t.same(await loadSettings(host), defaultSettings);
          return;
        }
        t.match(await loadSettings(host), { closed: true });
        const second = await start();
        t.match(second.outcome, {
          kind: 'refused',
          problem: {
            code: 'bad-settings',
            message: /; no valid settings are known, so nothing new is installed/,
          },
        });
        t.match(second.decision.handlers, [{ name: 'spin-v2', state: 'served' }]);
        t.same(Object.keys(second.ledger.handlers), ['spin-v2']);
        t.equal(node.read(kept), undefined, 'and it is not kept as good');
      });
    t.equal(node.read(drop), before.drop);
    t.same(containerd.served(), before.served);
    t.same(containerd.jobs, []);
  },
);

t.test('without valid settings nothing is removed except by a person', async (t) => {
  const node = await guarded(t);
  node.write(file, 'alowedHosts = []\n');
  node.remove(kept);
  node.remove('/etc/rcm-node/shims.d/spin-v2.toml');
  await node.once();
  t.same(node.fake.containerd.served(), ['runc', 'spin-v2']);
  t.ok((await node.uninstall()).complete);
  t.same(node.fake.containerd.served(), ['runc']);
  t.equal(node.read('/var/lib/rcm-node'), undefined);
});

t.test(
  'a failing disk, an unreadable file, and a file of another owner do not count as absent',
  async (t) => {
    const node = await guarded(t);
    for (const errno of ['EIO', 'EACCES', 'EMFILE'])
      t.match(await loadSettings(failing(node.fake.host, errno)), {
        allowedHosts: ['good.example'],
        problem: {
          code: 'bad-settings',
          message: `the file cannot be read (${errno}); the last valid settings stay in force`,
        },
      });
    const files = {
      ...node.fake.host.files,
      lookTrusted: async (path: string) => {
        if (path !== file) return node.fake.host.files.lookTrusted(path);
        throw new Failure({ code: 'cannot-write', message: 'it belongs to user 1000', where: { file } });
      },
    };
    t.match(await loadSettings({ ...node.fake.host, files }), {
      allowedHosts: ['good.example'],
      problem: { code: 'bad-settings', message: /^it belongs to user 1000; / },
    });
    const blind = {
      ...node.fake.host.files,
      lookTrusted: async (path: string) =>
        path === file ? ({ kind: 'absent' } as const) : node.fake.host.files.lookTrusted(path),
      names: async () => {
        throw new Failure({ code: 'unreadable-source', message: 'the folder cannot be read: EACCES' });
      },
    };
    t.match(await loadSettings({ ...node.fake.host, files: blind }), { allowedHosts: ['good.example'] });
  },
);

t.test('without a file the defaults apply, and the stored copy is forgotten', async (t) => {
  t.same(await loadSettings(bareRoot(t.testdir({})).host), defaultSettings);
  const node = await guarded(t);
  const settings = openSettings(node.fake.host);
  t.match(await settings(), { allowedHosts: ['good.example'] });
  node.remove(file);
  t.same(await settings(), defaultSettings);
  t.equal(node.read(kept), undefined);
  node.write(file, 'interval = "often"\n');
  t.match(await settings(), { closed: true }, 'a person begins to write a policy: the defaults are not it');
});

t.test('a file that an editor has renamed away for a moment is not taken for removed', async (t) => {
  const node = await guarded(t);
  const { host } = node.fake;
  const sleep = async (): Promise<void> => node.write(file, strict.replace('good.example', 'better.example'));
  await openSettings(host)();
  node.remove(file);
  const settings = openSettings({ ...host, clock: { ...host.clock, sleep } });
  t.match(await settings(), { allowedHosts: ['better.example'] });
  t.match(node.read(kept), /better/);
});

t.test('valid settings are stored for root only, once; invalid ones never', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write(file, strict);
  t.match(await loadSettings(node.fake.host), { closed: false });
  t.equal(node.read(kept), undefined, 'who only looks writes nothing');
  const settings = openSettings(node.fake.host);
  await settings();
  t.equal(node.read(kept), strict);
  t.match(await node.fake.host.files.look(kept), { mode: 0o600 });
  const writes: string[] = [];
  const host = {
    ...node.fake.host,
    files: { ...node.fake.host.files, put: async (path: string) => void writes.push(path) },
  };
  await openSettings(host)();
  t.same(writes, []);
  node.write(file, 'interval = 1\n');
  await settings();
  t.equal(node.read(kept), strict);
  node.write(file, '# as the defaults are\n');
  t.same(await settings(), defaultSettings);
  t.equal(node.read(kept), '# as the defaults are\n');
});

t.test(
  'stored settings of a newer version, or damaged ones, are not used; the unit is still known',
  async (t) => {
    const node = await guarded(t);
    for (const text of ['requireSignature = true\n[runtime]\nunit = "k3s.service"\n', 'unit', '']) {
      node.write(kept, text);
      node.write(file, 'alowedHosts = []\n');
      const settings = await loadSettings(node.fake.host);
      t.match(settings, { closed: true, allowedHosts: [] });
      t.equal(settings.unit, text.includes('k3s') ? 'k3s.service' : undefined, 'undefined: the usual one');
      node.write(file, 'alowedHosts = []\nruntime.unit = "docker.service"\n');
      t.match(await loadSettings(node.fake.host), { closed: true, unit: 'docker.service' });
    }
  },
);

t.test(
  'on a full disk the settings apply, stay in force when the file becomes invalid, and that is reported',
  async (t) => {
    const node = await guarded(t);
    const { host } = node.fake;
    const files = {
      ...host.files,
      put: async (path: string) => {
        throw new Failure({ code: 'disk-full', message: 'no space is left', where: { file: path } });
      },
    };
    const settings = openSettings({ ...host, files });
    node.write(file, 'allowedHosts = ["better.example"]\n');
    t.match(await settings(), {
      allowedHosts: ['better.example'],
      problem: {
        code: 'disk-full',
        message: 'the settings cannot be kept for the next start: no space is left',
      },
    });
    node.write(file, 'allowedHosts = [');
    t.match(await settings(), { allowedHosts: ['better.example'], problem: { code: 'bad-settings' } });
  },
);

t.test('an uninstall with an unknown unit removes nothing from another configuration', async (t) => {
  const root = makeRoot(t);
  writeFileSync(join(root, 'srv/c.toml'), 'version = 3\n');
  const execStart = ['/usr/bin/containerd', '-c', '/srv/c.toml'];
  const node = openNode(root, { version: '2.1.4', execStart });
  writeShim(node, 'spin-v2');
  t.equal((await node.once()).outcome.kind, 'converged');
  const drop = node.read('/srv/conf.d/zz-rcm-node.toml');
  t.match(drop, /spin-v2/);
  // The same host by a unit that has nothing to do with it.
  const other = openNode(root, { version: '2.1.4' });
  other.write(file, 'nonsense');
  await t.rejects(other.uninstall(), /does not read \/srv/);
  t.equal(node.read('/srv/conf.d/zz-rcm-node.toml'), drop);
});

t.test('settings that others can write, or remove, do not count', async (t) => {
  const node = await guarded(t);
  node.write(file, 'allowUnpinned = true\n');
  chmodSync(join(node.root, file), 0o664);
  const stays = {
    allowedHosts: ['good.example'],
    allowUnpinned: false,
    problem: {
      code: 'bad-settings',
      message: /^not only root can change it: it has mode 0664; /,
      where: { file },
    },
  };
  t.match(await loadSettings(node.fake.host), stays);
  node.remove(file);
  chmodSync(join(node.root, 'etc/rcm-node'), 0o777);
  t.match(await loadSettings(node.fake.host), {
    ...stays,
    problem: {
      code: 'bad-settings',
      message: /^not only root can change it: \/etc\/rcm-node has mode 0777; /,
    },
  });
});

t.test('stored settings count only if only root can have written them', async (t) => {
  const node = await guarded(t);
  node.write(file, 'alowedHosts = []\n');
  t.match(await loadSettings(node.fake.host), { allowedHosts: ['good.example'] });
  node.write(kept, 'allowUnpinned = true\n');
  chmodSync(join(node.root, kept), 0o666);
  t.match(await loadSettings(node.fake.host), { closed: true, allowUnpinned: false });
});
