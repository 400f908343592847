import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { filesOfPlace, withRendering } from '../../../daemon/reconcile/observe/place.ts';
import { emptyLedger } from '../../../daemon/model/ledger.ts';
import type { ConfigPlace } from '../../../daemon/runtimes/facts.ts';
import { runtime } from '../../../testbed/simulated/bare-host.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';

const main = '/etc/containerd/config.toml';
const path = '/etc/containerd/config.toml.tmpl';
const template: ConfigPlace = { kind: 'template', path, base: '' };
const folder: ConfigPlace = { kind: 'folder', folder: '/etc/containerd/config.toml.d', readBy: 'runtime' };

t.test('the files of each place are read, besides those of the runtime', async (t) => {
  t.strictSame(filesOfPlace(runtime), []);
  t.strictSame(filesOfPlace({ ...runtime, place: folder }), []);
  t.strictSame(filesOfPlace({ ...runtime, place: template }), [path]);
  const place = { kind: 'override', original: '/a', copyTo: '/b', unitDropIn: '/c', variable: 'X' } as const;
  t.strictSame(filesOfPlace({ ...runtime, place }), ['/a', '/b', '/c']);
});

t.test('a template that is newer than the main file was not rendered yet', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const { files } = node.fake.host;
  const at = async (place: ConfigPlace, template: number | undefined, ledger = emptyLedger) => {
    node.write(main, '');
    utimesSync(join(node.root, main), 100, 100);
    node.remove(path);
    if (template !== undefined) {
      node.write(path, '');
      utimesSync(join(node.root, path), template, template);
    }
    return (await withRendering(files, { ...runtime, place }, ledger)).unrendered;
  };
  t.equal(await at(template, undefined), undefined);
  t.equal(await at(template, 100), undefined);
  t.equal(await at(template, 99), undefined);
  t.equal(await at(template, 101), true);
  t.equal(await at(folder, 101), undefined, 'nothing of ours is in it');
  const ledger = { ...emptyLedger, files: { [path]: { kind: 'edited', digest: '' } } } as const;
  t.equal(await at(folder, 101, ledger), true);
  node.remove(main);
  t.equal((await withRendering(files, { ...runtime, place: template }, emptyLedger)).unrendered, undefined);
});
