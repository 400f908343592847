import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { filesOfPlace, withRendering } from '../../../daemon/reconcile/observe/place.ts';
import type { ConfigPlace } from '../../../daemon/runtimes/facts.ts';
import { runtime } from '../../../testbed/simulated/bare-host.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';

const main = '/etc/containerd/config.toml';
const path = '/etc/containerd/config.toml.tmpl';
const first = '/etc/containerd/config-v3.toml.tmpl';
const templates = [first, path];
const template: ConfigPlace = { kind: 'template', path, base: '', templates };
const folder = {
  kind: 'folder',
  folder: '/etc/containerd/config.toml.d',
  readBy: 'runtime',
  templates,
} as const;

t.test('the files of each place are read, besides those of the runtime', async (t) => {
  t.strictSame(filesOfPlace(runtime), []);
  t.strictSame(filesOfPlace({ ...runtime, place: folder }), []);
  t.strictSame(filesOfPlace({ ...runtime, place: template }), [path]);
  const place = { kind: 'override', original: '/a', copyTo: '/b', unitDropIn: '/c', variable: 'X' } as const;
  t.strictSame(filesOfPlace({ ...runtime, place }), ['/a', '/b', '/c']);
});

t.test('the template of the next start is noticed where it changed after the main file', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const { files } = node.fake.host;
  const at = async (place: ConfigPlace, rendered: number) => {
    utimesSync(join(node.root, main), rendered, rendered);
    return (await withRendering(files, { ...runtime, place })).unrendered;
  };
  const [past, future] = [100, 4_000_000_000];
  node.write(main, '');
  t.equal(await at(template, past), undefined, 'there is none');
  node.write(path, '');
  t.equal(await at(template, future), undefined);
  t.equal(await at(template, past), path);
  utimesSync(join(node.root, path), 50, 50);
  t.equal(await at(template, past), path, 'a program may set its time');
  t.equal(await at(folder, past), path, 'also where it has nothing of ours');
  t.equal(await at(folder, future), undefined);
  node.write(first, '');
  t.equal(await at(template, past), first, 'the first that is there is rendered');
  const { templates: _, ...merged } = folder;
  t.equal(await at(merged, past), undefined, 'no template at all');
  node.remove(main);
  t.equal((await withRendering(files, { ...runtime, place: template })).unrendered, undefined);
});
