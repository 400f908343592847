import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import type { Host } from '../../host/host.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import {
  burstOf,
  keyOf,
  makeRoot,
  type Node,
  openNode,
  program,
  sha256,
  shimFile,
  writeShim,
} from '../../testbed/simulated/node.ts';

const main = '/etc/containerd/config.toml';
const ledgerOf = (node: Node) => JSON.parse(node.read('/var/lib/rcm-node/ledger.json') ?? '{}');
const alarms = (node: Node) => node.fake.lines.filter((line) => /^(warn|error):/.test(line));

t.test('before the end of a burst all is prepared, and nothing is changed', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  writeShim(node, 'spin-v2');
  const before = node.read(main);
  const { dumps } = node.fake.containerd;
  const end = burstOf(node, undefined, () => {
    t.ok(node.read(`/opt/rcm-node/store/${keyOf('spin-v2')}/manifest.json`), 'the artifact is in the store');
    t.equal(node.fake.containerd.dumps, dumps + 2, 'the configuration was tried out');
    t.equal(node.read(main), before, 'the configuration is as before');
    t.notOk(node.read('/var/lib/rcm-node/journal.json'), 'no plan has begun');
    t.strictSame(node.fake.containerd.jobs, []);
  });
  // As the last tick saw it.
  const burst = { ...end, socket: '/run/containerd/containerd.sock' };
  const from = node.fake.host.clock.elapsed();
  let containers: number | undefined;
  const cri: Host['cri'] = (socket) => ({
    ...node.fake.host.cri(socket),
    containers: async () => {
      containers = node.fake.host.clock.elapsed();
      return [];
    },
  });
  const { outcome } = await node.once({ burst }, { ...node.fake.host, cri });
  t.equal(outcome.kind, 'converged');
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
  t.equal(
    node.fake.containerd.dumps,
    dumps + 3,
    'once more for the image of sandboxes: it was not tried out again',
  );
  t.equal(containers, from + 300, 'the last look for containers did not wait once more');
});

t.test('what is wrong only until the burst ends is not reported', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  writeShim(node, 'spin-v2');
  const whole = shimFile('spin-v2');
  for (const half of [whole.replace(/sha256 = "./, 'sha256 = "0'), whole.slice(0, -30)]) {
    node.write('/etc/rcm-node/shims.d/spin-v2.toml', half);
    const more = () => node.write('/etc/rcm-node/shims.d/spin-v2.toml', whole);
    const { outcome } = await node.once({ burst: burstOf(node, undefined, more) });
    t.equal(outcome.kind, 'converged');
    t.strictSame(alarms(node), []);
    t.strictSame(ledgerOf(node).attempts, {});
  }
});

t.test('what stays wrong is reported once, when the burst has ended', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  writeShim(node, 'spin-v2');
  node.write('/srv/artifacts/spin-v2', 'another program');
  const burst = burstOf(node, undefined, () => t.strictSame(alarms(node), []));
  const { outcome } = await node.once({ burst });
  t.match(outcome, { kind: 'degraded', problems: [{ code: 'digest-mismatch' }] });
  t.equal(alarms(node).length, 1);
  t.equal(ledgerOf(node).attempts['spin-v2'].count, 1);
});

t.test('an artifact without a digest is not fetched before the burst ends', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write('/etc/rcm-node/config.toml', 'allowUnpinned = true\n');
  writeShim(node, 'spin-v2');
  const whole = shimFile('spin-v2');
  node.write('/etc/rcm-node/shims.d/spin-v2.toml', whole.replace(/^sha256.*\n/m, ''));
  const more = () => node.write('/etc/rcm-node/shims.d/spin-v2.toml', whole);
  const { outcome } = await node.once({ burst: burstOf(node, undefined, more) });
  t.equal(outcome.kind, 'converged');
  t.strictSame(ledgerOf(node).trusted, {}, 'no digest was trusted on first use');
});

t.test('settings that change in the burst count', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write('/etc/rcm-node/config.toml', 'allowUnpinned = true\n');
  writeShim(node, 'spin-v2');
  node.write('/etc/rcm-node/shims.d/spin-v2.toml', shimFile('spin-v2').replace(/^sha256.*\n/m, ''));
  const more = () => node.write('/etc/rcm-node/config.toml', 'allowUnpinned = false\n');
  const { outcome } = await node.once({ burst: burstOf(node, undefined, more) });
  t.match(outcome, { problems: [{ code: 'unpinned' }] });
  t.strictSame(node.fake.containerd.served(), ['runc']);
});

const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .publicKey.export({ type: 'spki', format: 'pem' })
  .toString();
const lessThanItHas = `maxArtifactBytes = ${program('spin-v2').length - 1}\n`;
const asksForSignatures =
  '[[signatures]]\nprefix = "file:///"\nkey = "/etc/rcm-node/cosign.pub"\ntransparencyLog = false\n';

for (const [what, settings, code] of [
  ['are too strict for it', lessThanItHas, 'too-large'],
  ['ask for a signature', asksForSignatures, 'unsigned'],
] as const)
  t.test(
    `an artifact that came in the burst is not used where the settings at its end ${what}`,
    async (t) => {
      const node = openNode(makeRoot(t), { version: '2.1.4' });
      node.write('/etc/rcm-node/cosign.pub', publicKey);
      writeShim(node, 'spin-v2');
      const place = `/opt/rcm-node/store/${keyOf('spin-v2')}`;
      const more = () => {
        t.ok(node.read(`${place}/manifest.json`), 'it came under the former ones');
        node.write('/etc/rcm-node/config.toml', settings);
      };
      const { outcome, did } = await node.once({ burst: burstOf(node, undefined, more) });
      t.match(outcome, { kind: 'degraded', problems: [{ code }] });
      t.strictSame(node.fake.containerd.served(), ['runc']);
      t.equal(node.read(`${place}/manifest.json`), undefined);
      t.strictSame(did, []);
    },
  );

t.test(
  'a download under settings that changed in the burst ends, and begins again under the others',
  async (t) => {
    const node = openNode(makeRoot(t), { version: '2.1.4' });
    writeShim(node, 'spin-v2');
    const proxies: unknown[] = [];
    const download: Host['download'] = async (...given) => {
      const { proxy, signal } = given[3];
      proxies.push(proxy?.https);
      if (proxies.length > 1) return node.fake.host.download(...given);
      const ended = Promise.withResolvers<never>();
      signal?.addEventListener('abort', () => ended.reject(new Error('it was ended')));
      return ended.promise;
    };
    // It is not there by the end of the burst.
    node.fake.slow = 1;
    const more = () => node.write('/etc/rcm-node/config.toml', '[proxy]\nhttps = "http://proxy.test:1"\n');
    const host = { ...node.fake.host, download };
    const { outcome } = await node.once({ burst: burstOf(node, host, more) }, host);
    t.equal(outcome.kind, 'converged');
    t.strictSame(proxies, [undefined, 'http://proxy.test:1']);
    t.strictSame(ledgerOf(node).attempts, {}, 'what was ended did not fail');
  },
);

t.test('a download that outlasts the burst goes on, and repairs are made beside it', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  writeShim(node, 'spin-v2');
  await node.once();
  writeShim(node, 'wws-v1');
  const link = '/opt/rcm-node/shims/spin-v2';
  const gate = Promise.withResolvers<void>();
  const pick: Host['pick'] = async (...given) => {
    await gate.promise;
    return node.fake.host.pick(...given);
  };
  node.fake.slow = 2;
  let looks = 0;
  let linked = false;
  const within: Host['clock']['within'] = async (...given) => {
    looks += 1;
    if (looks === 2) node.remove(link);
    if (looks === 3) {
      linked = (await node.fake.host.files.linkAt(`${link}/containerd-shim-spin-v2`)).target !== null;
      gate.resolve();
    }
    return node.fake.host.clock.within(...given);
  };
  const { clock } = node.fake.host;
  const host = { ...node.fake.host, pick, clock: { ...clock, within } };
  const { outcome } = await node.once({ burst: burstOf(node) }, host);
  t.equal(outcome.kind, 'converged');
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2', 'wws-v1']);
  t.strictSame(alarms(node), [], 'its marker is not taken for that of a killed run');
  t.ok(linked, 'the link was made again during the download');
});

t.test('a failure of the early look is no failure of the tick', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  writeShim(node, 'spin-v2');
  const state = { early: true };
  const run: Host['tools']['run'] = async (...given) => {
    if (state.early) throw new Failure({ code: 'out-of-resources', message: 'no process can be started' });
    return node.fake.host.tools.run(...given);
  };
  const burst = burstOf(node, undefined, () => {
    state.early = false;
  });
  const { outcome } = await node.once({ burst }, { ...node.fake.host, tools: { run } });
  t.equal(outcome.kind, 'converged');
  t.strictSame(alarms(node), []);
  t.equal(sha256(program('spin-v2')), ledgerOf(node).handlers['spin-v2'].sha256);
});
