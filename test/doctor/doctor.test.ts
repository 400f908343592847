import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Host } from '../../host/host.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { defaultSettings } from '../../daemon/model/settings.ts';
import type { Check } from '../../daemon/doctor/check.ts';
import { diagnose } from '../../daemon/doctor/doctor.ts';
import { bareRoot } from '../../testbed/simulated/bare-root.ts';
import type { UnitFacts } from '../../host/facts.ts';
import { openSettings } from '../../daemon/state/load-settings.ts';
import { makeRoot, openNode, program, shimFile } from '../../testbed/simulated/node.ts';

const healthy = (t: Test) => {
  const node = openNode(makeRoot(t), { version: '2.1.0' });
  node.write('/etc/containerd/config.toml', 'version = 3\n');
  node.write('/etc/rcm-node/shims.d/spin.toml', shimFile('spin'));
  node.write('/srv/artifacts/spin', program('spin'));
  return node;
};

/** Every line that doctor says about one thing. */
const about = (checks: readonly Check[], what: string) => checks.filter((check) => check.what === what);
const bads = (checks: readonly Check[]) =>
  checks.filter((check) => check.verdict === 'bad').map((one) => one.what);

t.test('on a healthy host no check fails, and every check is listed', async (t) => {
  const node = healthy(t);
  await node.once();
  const checks = await diagnose(node.fake.host, defaultSettings);
  t.same(bads(checks), []);
  t.match(about(checks, 'settings'), [{ verdict: 'good', says: 'defaults' }]);
  t.match(about(checks, 'host'), [{ verdict: 'good', says: /kernel .*, amd64/ }]);
  t.match(about(checks, 'systemd'), [{ says: 'version 257 answers over D-Bus' }]);
  t.match(about(checks, 'runtime'), [
    { says: /containerd 2\.1\.0, .*, configuration \/etc\/containerd\/config\.toml/ },
  ]);
  t.match(about(checks, 'CRI'), [{ verdict: 'good', says: /answers, lists runc, spin, 0 sandboxes/ }]);
  t.match(about(checks, 'store'), [{ verdict: 'good', says: /is whole, every byte verified/ }]);
  t.match(about(checks, 'handler spin'), [{ verdict: 'good', says: 'served' }]);
  t.match(about(checks, 'state'), [{ says: '1 handlers in the ledger' }]);
  t.same(
    about(checks, 'folder').map((one) => one.says),
    ['/opt/rcm-node is writable', '/var/lib/rcm-node is writable', '/run/rcm-node is writable'],
  );
});

t.test('a handler that is only prepared is nowhere called served', async (t) => {
  const node = healthy(t);
  node.write('/etc/rcm-node/config.toml', '[runtime]\nprepare = ["slot-1"]\n');
  await node.once();
  const checks = await diagnose(node.fake.host, await openSettings(node.fake.host)());
  t.same(bads(checks), []);
  t.match(about(checks, 'handler slot-1'), [{ verdict: 'good', says: 'prepared' }]);
  t.match(about(checks, 'CRI'), [{ says: /lists runc, slot-1, spin/ }]);
  t.same(
    checks.filter(({ says }) => /serve.*slot-1|slot-1.*serve/.test(says)),
    [],
  );
});

t.test('each problem fails a check with a way out, and does not hide the rest', async (t) => {
  const node = healthy(t);
  await node.once();
  const store = node.fake.host.files;
  const [key = ''] = ((await store.names('/opt/rcm-node/store')) ?? []).filter((name) => name.length === 64);
  writeFileSync(join(node.root, 'opt/rcm-node/store', key, 'containerd-shim-spin'), '#!/bin/sh\n# evil\n');
  node.write('/etc/rcm-node/shims.d/bad.toml', 'name = ');
  const problem = { code: 'bad-settings', message: 'odd', where: { file: '/x' } } as const;
  const checks = await diagnose(node.fake.host, { ...defaultSettings, problem });
  t.match(about(checks, 'settings'), [{ verdict: 'bad', says: '/x: odd', hint: String }]);
  t.match(about(checks, 'store'), [{ verdict: 'bad', says: /another digest|bytes instead/ }]);
  t.match(about(checks, 'bad.toml'), [{ verdict: 'bad', says: /bad\.toml:1/, hint: String }]);
  t.match(about(checks, 'plan'), [{ verdict: 'warn', says: 'changes are pending' }]);
  t.ok(about(checks, 'folder').length === 3);
});

t.test('a CRI-O that is not ready is named with its own unit', async (t) => {
  const node = openNode(makeRoot(t), { runtime: 'crio', version: '1.36.3' });
  node.fake.containerd.behaves = () => 'not-ready';
  node.fake.containerd.restartByOther();
  const [check] = about(await diagnose(node.fake.host, defaultSettings), 'CRI');
  t.match(check, { verdict: 'bad', hint: /status crio\.service; journalctl -u crio\.service/ });
});

t.test('a runtime that does not answer, or is not ready, fails a check', async (t) => {
  const node = healthy(t);
  node.fake.containerd.behaves = () => 'no-cri';
  node.fake.containerd.restartByOther();
  t.match(about(await diagnose(node.fake.host, defaultSettings), 'CRI'), [
    { verdict: 'bad', says: /unknown service/, hint: /journalctl/ },
  ]);
  node.fake.containerd.behaves = () => 'not-ready';
  node.fake.containerd.restartByOther();
  const checks = await diagnose(node.fake.host, defaultSettings);
  t.match(about(checks, 'CRI'), [{ verdict: 'bad', says: 'not ready', detail: 'cni is not the reason' }]);
  t.match(about(checks, 'plan'), [{ verdict: 'bad' }], 'and the refusal is told as such');
});

t.test('damaged state is reported and not moved; an interrupted plan is reported', async (t) => {
  const node = healthy(t);
  const journal = {
    version: 1,
    plan: { kind: 'steps', revision: 'd'.repeat(64), steps: [], because: [], disrupts: false },
    direction: 'forward',
    at: 0,
    socket: '/x',
    ledger: {},
  };
  node.write('/var/lib/rcm-node/journal.json', JSON.stringify(journal));
  node.write('/var/lib/rcm-node/ledger.json', '{');
  const checks = await diagnose(node.fake.host, defaultSettings);
  t.match(about(checks, 'state'), [{ verdict: 'bad', says: /not valid JSON/ }]);
  t.match(about(checks, 'journal'), [{ verdict: 'warn', says: 'a plan was interrupted' }]);
  t.equal(node.read('/var/lib/rcm-node/ledger.json'), '{');
  node.write('/var/lib/rcm-node/ledger.json', '{"version":2}');
  const newer = await diagnose(node.fake.host, defaultSettings);
  t.match(about(newer, 'state'), [{ verdict: 'bad', says: /version 2/ }]);
  t.equal(about(newer, 'folder').length, 3, 'the rest is checked all the same');
});

t.test('the state of the service is reported', async (t) => {
  const node = healthy(t);
  const withService = (unit: Partial<UnitFacts>): Host => {
    const { systemd } = node.fake.host;
    if (!systemd) throw new Error('the fake has a systemd');
    return {
      ...node.fake.host,
      systemd: {
        ...systemd,
        unit: async (name) => ({
          ...(await systemd.unit(name)),
          ...(name === 'rcm-node.service' ? unit : {}),
        }),
      },
    };
  };
  const says = async (host: Host) => about(await diagnose(host, defaultSettings), 'service');
  t.match(await says(node.fake.host), [{ verdict: 'warn', says: 'rcm-node.service is not installed' }]);
  t.match(await says(withService({ load: 'loaded', active: 'active', restarts: 2 })), [
    { verdict: 'good', says: 'rcm-node.service is active, 2 automatic restarts' },
  ]);
  t.match(await says(withService({ load: 'loaded', active: 'failed', sub: 'failed' })), [
    { verdict: 'bad', says: 'rcm-node.service is failed (failed)' },
  ]);
  const { systemd } = node.fake.host;
  const refuses = async () => {
    throw new Failure({ code: 'systemd-unreachable', message: 'no bus' });
  };
  const deaf = { ...node.fake.host, systemd: { ...systemd, unit: refuses } } as Host;
  const checks = await diagnose(deaf, defaultSettings);
  t.match(about(checks, 'service'), [{ verdict: 'bad', says: 'no bus' }]);
  t.match(about(checks, 'runtime'), [{ verdict: 'unknown', says: /^not checked, because systemd/ }]);
});

t.test('another root without a runtime is reported', async (t) => {
  const etc = { 'rcm-node': { 'config.toml': '' }, 'os-release': 'PRETTY_NAME="Image OS 9"\n' };
  const root = t.testdir({ etc, opt: {}, run: {}, var: { lib: {} } });
  const checks = await diagnose(bareRoot(root).host, defaultSettings);
  t.match(about(checks, 'settings'), [{ says: '/etc/rcm-node/config.toml' }]);
  t.match(about(checks, 'host'), [{ says: `Image OS 9, amd64, in ${root}` }], 'not the machine that looks');
  t.match(about(checks, 'service'), [{ verdict: 'unknown' }]);
  t.match(about(checks, 'runtime'), [{ verdict: 'bad', says: `containerd is not installed below ${root}` }]);
  t.same(
    about(checks, 'folder').map((one) => one.says),
    [
      '/opt is writable, for /opt/rcm-node',
      '/var/lib is writable, for /var/lib/rcm-node',
      '/run is writable, for /run/rcm-node',
    ],
  );
  // A folder where nothing but the configuration was unpacked, say: what is missing is made, as once --root does.
  const folder = join(t.testdir({ bare: {}, odd: { opt: 'a file' } }), 'bare');
  const bare = bareRoot(folder).host;
  t.same(
    about(await diagnose(bare, defaultSettings), 'folder').map(({ says }) => says),
    [
      '/ is writable, for /opt/rcm-node',
      '/ is writable, for /var/lib/rcm-node',
      '/ is writable, for /run/rcm-node',
    ],
  );
  t.same(readdirSync(folder), [], 'and nothing is left there');
  const odd = bareRoot(join(folder, '../odd')).host;
  t.match(about(await diagnose(odd, defaultSettings), 'folder')[0], { verdict: 'bad', says: /^\/opt\// });
});

t.test('files that other users can write are named, with the way out', async (t) => {
  const node = healthy(t);
  await node.once();
  chmodSync(join(node.root, 'opt/rcm-node'), 0o777);
  chmodSync(join(node.root, 'etc/rcm-node/shims.d/spin.toml'), 0o666);
  const checks = await diagnose(node.fake.host, defaultSettings);
  t.match(about(checks, 'folder')[0], {
    verdict: 'bad',
    says: /not only root can change it: it has mode 0777/,
    hint: /chmod go-w \/opt\/rcm-node/,
  });
  t.match(about(checks, 'spin.toml'), [
    { verdict: 'bad', hint: /chmod go-w \/etc\/rcm-node\/shims\.d\/spin\.toml/ },
  ]);
});

t.test('a systemd that does not answer is one failed check', async (t) => {
  const node = healthy(t);
  const away = async (): Promise<never> => {
    throw new Failure({ code: 'systemd-unreachable', message: 'the system bus cannot be used' });
  };
  const { systemd } = node.fake.host;
  if (!systemd) throw new Error('a host with systemd is expected');
  const host: Host = { ...node.fake.host, systemd: { ...systemd, unit: away, version: away } };
  const checks = await diagnose(host, defaultSettings);
  t.equal(checks.filter((check) => check.says.includes('the system bus')).length, 1);
  t.equal(checks.filter((check) => check.code === 'systemd-unreachable').length, 1);
  t.match(about(checks, 'runtime'), [{ verdict: 'unknown', says: /not checked, because systemd/ }]);
});
