/** The image as others read it: every digest is that of its bytes, and tar agrees on what is in a layer. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as tar from 'tar';
import t from 'tap';
import { archive, digestOf, type Image, layoutOf } from '../../packaging/oci.ts';

const text = (value: string): Uint8Array => Buffer.from(value);
const image: Image = {
  name: 'rcm-node',
  tag: '0.1.0',
  entrypoint: ['/rcm-node/rcm-node'],
  command: ['bootstrap'],
  labels: { a: 'b' },
  platforms: (['amd64', 'arm64'] as const).map((architecture) => ({
    architecture,
    layers: [
      [{ path: 'lib/x/libc.so.6', bytes: text('libc'), mode: 0o755 }],
      [{ path: 'rcm-node/rcm-node', bytes: text(architecture), mode: 0o755 }],
    ],
  })),
};

t.test('the same files give the same bytes', async (t) => {
  t.same(archive(await layoutOf(image)), archive(await layoutOf(image)));
});

t.test('the published digest is that of the image of all platforms', async (t) => {
  const layout = await layoutOf(image);
  const digest = digestOf(layout);
  const blob = layout.find(({ path }) => path === `blobs/${digest.replace(':', '/')}`);
  t.match(JSON.parse(Buffer.from(blob?.bytes ?? []).toString()), { manifests: [{}, {}] });
  t.throws(() => digestOf([]), /no index/);
});

t.test('every blob is named by its digest, and every reference exists', async (t) => {
  const files = new Map((await layoutOf(image)).map(({ path, bytes }) => [path, bytes]));
  const json = (path: string) => JSON.parse(String(Buffer.from(files.get(path) ?? '')));
  const blob = ({ digest, size }: { digest: string; size: number }): string => {
    const path = `blobs/${digest.replace(':', '/')}`;
    const bytes = files.get(path);
    t.equal(bytes?.length, size, path);
    t.equal(
      createHash('sha256')
        .update(bytes ?? '')
        .digest('hex'),
      digest.slice(7),
      path,
    );
    return path;
  };
  const [{ annotations, ...index }] = json('index.json').manifests;
  t.equal(annotations['io.containerd.image.name'], 'docker.io/library/rcm-node:0.1.0');
  const { manifests } = json(blob(index));
  t.same(
    manifests.map((one: { platform: unknown }) => one.platform),
    [
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64' },
    ],
  );
  for (const one of manifests) {
    const { config, layers } = json(blob(one));
    const { config: runs, rootfs, architecture } = json(blob(config));
    t.equal(architecture, one.platform.architecture);
    t.match(runs, { Entrypoint: ['/rcm-node/rcm-node'], Cmd: ['bootstrap'], User: '0:0' });
    const digests = layers.map((layer: { digest: string; size: number }) =>
      createHash('sha256')
        .update(gunzipSync(files.get(blob(layer)) ?? ''))
        .digest('hex'),
    );
    t.same(
      rootfs.diff_ids,
      digests.map((digest: string) => `sha256:${digest}`),
    );
  }
  for (const { Config, Layers } of json('manifest.json'))
    for (const path of [Config, ...Layers]) t.ok(files.has(path), path);
});

t.test('the platforms share the layer of common files', async (t) => {
  const layout = await layoutOf(image);
  t.equal(layout.filter(({ path }) => path.startsWith('blobs/')).length, 1 + 2 * 2 + 1 + 2);
});

t.test('a layer has files with their folders, owned by root, without times', async (t) => {
  const path = join(t.testdir(), 'layer.tar');
  writeFileSync(path, archive([{ path: 'a/b/c', bytes: text('hello'), mode: 0o755 }]));
  const seen: unknown[] = [];
  await tar.t({
    file: path,
    onReadEntry: ({ path, type, mode, uid, size, mtime }) =>
      seen.push([path, type, mode, uid, size, mtime?.getTime()]),
  });
  t.same(seen, [
    ['a/', 'Directory', 0o755, 0, 0, 0],
    ['a/b/', 'Directory', 0o755, 0, 0, 0],
    ['a/b/c', 'File', 0o755, 0, 5, 0],
  ]);
  t.throws(() => archive([{ path: 'x'.repeat(300), bytes: text(''), mode: 0o644 }]), /too long/);
});
