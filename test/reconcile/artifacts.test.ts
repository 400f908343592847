import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import type { Handler } from '../../daemon/model/desired.ts';
import { problemOf } from '../../daemon/model/problem.ts';
import { defaultSettings, type Settings } from '../../daemon/model/settings.ts';
import { parseShim } from '../../daemon/model/shim.ts';
import { fetchArtifact } from '../../daemon/reconcile/artifacts.ts';
import { makeRoot, openNode, program, sha256, shimFile } from './node.ts';

const policy = { machine: 'amd64', allowUnpinned: true, allowedHosts: [] } as const;

const setUp = (t: Test, more: Partial<Settings> = {}) => {
  const node = openNode(makeRoot(t), { version: '2.1.0' });
  node.write('/srv/artifacts/spin', program('spin'), 0o755);
  const handler = parseShim(shimFile('spin'), '/etc/rcm-node/shims.d/spin.toml', policy);
  const fetch = (digest: string | undefined, one: Handler = handler) =>
    fetchArtifact(node.fake.host, { ...defaultSettings, ...more }, one, digest).catch(problemOf);
  return { ...node, handler, fetch };
};

t.test('without a digest a file counts only where root alone can write it', async (t) => {
  const { root, fetch } = setUp(t);
  t.equal(await fetch(undefined), sha256(program('spin')));
  chmodSync(join(root, 'srv/artifacts/spin'), 0o777);
  t.match(await fetch(undefined), { code: 'untrusted', where: { file: '/srv/artifacts/spin' } });
  chmodSync(join(root, 'srv/artifacts/spin'), 0o755);
  chmodSync(join(root, 'srv/artifacts'), 0o1777);
  t.match(await fetch(undefined), { code: 'untrusted' });
  t.equal(
    await fetch(sha256(program('spin'))),
    sha256(program('spin')),
    'a digest makes the place irrelevant',
  );
});

t.test('nor is a mirror’s file taken without one', async (t) => {
  const mirror = t.testdir({ spin: 'x' });
  chmodSync(join(mirror, 'spin'), 0o666);
  const mirrors = [{ prefix: 'https://example.com', replace: pathToFileURL(mirror).href }];
  const { handler, fetch } = setUp(t, { mirrors });
  const remote = { ...handler, artifact: { ...handler.artifact, url: 'https://example.com/spin' } };
  t.match(await fetch(undefined, remote), { code: 'untrusted', where: { file: join(mirror, 'spin') } });
});

t.test(
  'a CA that others can write vouches for no server, not even for an artifact with a digest',
  async (t) => {
    const folder = t.testdir({ 'ca.pem': 'x' });
    const extraCa = join(folder, 'ca.pem');
    chmodSync(extraCa, 0o666);
    const { fetch } = setUp(t, { extraCa });
    t.match(await fetch(sha256(program('spin'))), { code: 'untrusted', where: { file: extraCa } });
  },
);
