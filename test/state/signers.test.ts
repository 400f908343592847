import { generateKeyPairSync } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadSettings } from '../../daemon/state/load-settings.ts';
import { loadSigners, signerProblems } from '../../daemon/state/signers.ts';
import { makeRoot, openNode } from '../../testbed/simulated/node.ts';
import { trustRootOf } from '../../testbed/signing/trust-root.ts';

const settings = '/etc/rcm-node/config.toml';
const pem = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .publicKey.export({ type: 'spki', format: 'pem' })
    .toString();
const identity = 'identity = "a@example.com"\nissuer = "https://i.example"\ntrustRoot = "/etc/root.json"\n';

const open = (t: Test, text: string) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write(settings, text);
  return { ...node, load: async () => loadSigners(node.fake.host, await loadSettings(node.fake.host)) };
};

const idsOf = (signers: Awaited<ReturnType<typeof loadSigners>>) =>
  signers.map((one) => ('id' in one ? one.id : 'fault'));

t.test(
  'what is required has a name, which changes with each part of it and not with the prefix',
  async (t) => {
    const key = pem();
    const row = (prefix: string, more = ''): string =>
      `[[signatures]]\nprefix = "${prefix}"\nkey = "/etc/k.pub"\ntrustRoot = "/etc/root.json"\n${more}`;
    const node = open(
      t,
      `${row('https://a')}${row('https://b')}${row('https://c', 'transparencyLog = true\n')}`,
    );
    node.write('/etc/k.pub', key);
    node.write('/etc/root.json', trustRootOf({}));
    const [a, b, c] = idsOf(await node.load());
    t.match(a, /^[0-9a-f]{64}$/);
    t.equal(a, b);
    t.not(a, c);
    node.write('/etc/k.pub', `# the same key\n${key}`);
    t.equal(idsOf(await node.load())[0], a, 'what stands around the key is no part of it');
    node.write('/etc/k.pub', pem());
    t.not(idsOf(await node.load())[0], a);
    node.write('/etc/k.pub', key);
    node.write('/etc/root.json', `${trustRootOf({})}\n`);
    t.not(idsOf(await node.load())[0], a, 'each byte of the trust root counts');
  },
);

t.test('a trust root that cannot be used is named with its line', async (t) => {
  const node = open(t, `# policy\n[[signatures]]\nprefix = ""\n${identity}`);
  const faults: readonly (readonly [() => void, RegExp])[] = [
    [() => undefined, /trustRoot is \/etc\/root\.json: there is no such file/],
    [() => node.write('/etc/root.json', '{'), /trusted_root\.json of Sigstore is expected/],
    [() => node.write('/etc/root.json', '{}'), /trusted_root\.json of Sigstore is expected/],
    [() => node.write('/etc/root.json', trustRootOf({}), 0o666), /not only root/],
  ];
  for (const [spoil, message] of faults) {
    spoil();
    const problems = signerProblems(await node.load());
    t.match(problems, [{ code: 'signature-policy', message, where: { file: settings, line: 2 } }]);
  }
  chmodSync(join(node.root, '/etc/root.json'), 0o644);
  t.strictSame(signerProblems(await node.load()), []);
});

t.test('without a policy nothing is read', async (t) => {
  t.strictSame(await open(t, '# none\n').load(), []);
});
