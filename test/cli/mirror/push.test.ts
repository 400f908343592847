import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { mirror } from '../../../cli/mirror/mirror.ts';
import { fetchContent } from '../../../host/registry/content.ts';
import { fileMirror, mirroredBy } from '../../../daemon/registries/mirrored.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { makeStore, optionsOf, plain, serveRegistry } from '../../host/registry/served.ts';
import { takes } from '../../host/registry/served-pushes.ts';

const digestOf = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const setUp = async (t: Test) => {
  const source = makeStore();
  const layer = (text: string) => source.blob('application/vnd.oci.image.layer.v1.tar', Buffer.from(text));
  const top = source.index({
    'linux/amd64': source.image([layer('base'), layer('amd')]),
    'linux/s390x': source.image([layer('other')], 's390x'),
  });
  const from = await serveRegistry(t, source);
  const [target, told] = [makeStore(), [] as string[]];
  const to = await serveRegistry(t, target, takes(target, told));
  const endpointsOf = async ({ host, repository }: { host: string; repository: string }) => [
    plain({ host: host === 'mirror.example' ? to.host : from.host, repository }),
  ];
  const location = `oci://registry.example:5000/team/shim@${top.digest}`;
  const shim = (where: string) =>
    `name = "spin"\n[[fetchStrategy.platforms]]\nos = "linux"\narch = "amd64"\nlocation = "${where}"\n`;
  const work = t.testdir();
  const before = process.cwd();
  process.chdir(work);
  t.teardown(() => process.chdir(before));
  const run = (text: string, at = 'oci://mirror.example/air') =>
    mirror({ to: at, texts: [{ name: 'x.toml', text }], env: {}, say: () => undefined, endpointsOf });
  return { source, target, told, top, location, shim, run, endpointsOf, work, from };
};

t.test('an image goes under its name with all that its index names, once', async (t) => {
  const { top, location, shim, run, endpointsOf, told, work } = await setUp(t);
  const { copied, mirrors, lock } = await run(shim(location));
  t.match(copied, [
    { did: 'copied', entry: { path: 'oci://mirror.example/air/oci/registry.example-5000/team/shim' } },
  ]);
  t.equal(told.filter((one) => one.startsWith('manifests')).length, 3);
  t.match(JSON.parse(readFileSync(lock, 'utf8')).locations[location], { sha256: top.digest.slice(7) });
  told.length = 0;
  t.match((await run(shim(location))).copied, [{ did: 'unchanged' }]);
  t.same(told, []);

  const found = mirroredBy(mirrors, { host: 'registry.example:5000', repository: 'team/shim' });
  const image = found?.kind === 'registry' ? found.image : { host: '', repository: '' };
  mkdirSync(join(work, 'node'));
  const got = await fetchContent(
    { ...image, digest: top.digest.slice(7) },
    undefined,
    'amd64',
    join(work, 'node'),
    {
      ...optionsOf(),
      endpointsOf,
    },
  );
  t.equal(got.content.kind, 'image');
});

t.test('a file of a web server is an artifact under its digest', async (t) => {
  const { source, shim, run, endpointsOf, from, work, target } = await setUp(t);
  const bytes = 'a shim';
  source.blob('x', Buffer.from(bytes));
  const location = `http://${from.host}/v2/x/blobs/sha256:${digestOf(bytes)}`;
  const { copied, mirrors } = await run(`${shim(location)}sha256 = "${digestOf(bytes)}"\n`);
  t.match(copied, [{ did: 'copied' }]);
  t.ok(target.tags.has(digestOf(bytes)));
  const image = fileMirror(mirrors, location) ?? { host: '', repository: '' };
  t.same(image, { host: 'mirror.example', repository: 'air/files' });
  mkdirSync(join(work, 'node'));
  const digest = (target.tags.get(digestOf(bytes)) ?? '').slice(7);
  const got = await fetchContent({ ...image, digest }, undefined, 'amd64', join(work, 'node'), {
    ...optionsOf(),
    endpointsOf,
  });
  t.match(got.content, { kind: 'files', files: [{ sha256: digestOf(bytes) }] });
});

t.test('what the registry refuses is told, and nothing counts as copied', async (t) => {
  const { location, shim, run, target } = await setUp(t);
  target.blobs.set = () => {
    throw new Error('not reached');
  };
  const { copied } = await run(shim(location), 'oci://registry.example/air');
  t.match(copied, [{ did: 'failed', problem: { code: 'download-refused' } }]);
  t.match(await run(shim(location), 'oci://').catch(problemOf), { copied: [{ did: 'failed' }] });
});
