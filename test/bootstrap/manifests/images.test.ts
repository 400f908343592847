/** Each image is named once, in bootstrap/images, and every way of applying the manifests takes it from there. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import { render } from '../../../packaging/manifests.ts';
import { imagesOf, objectsOf } from './objects.ts';

const folder = join(import.meta.dirname, '../../../bootstrap');
const missing =
  spawnSync('kubectl', ['version', '--client']).error === undefined ? false : 'kubectl is not installed';

/** Found and not listed, so that a way of applying that comes later is looked at, too. */
const folders = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => existsSync(join(folder, path, 'kustomization.yaml')))
  .concat('.')
  .sort();
type Kustomization = { readonly kind: string; readonly components?: readonly string[] };
const kindOf = (name: string): string =>
  (parse(readFileSync(join(folder, name, 'kustomization.yaml'), 'utf8')) as Kustomization).kind;
const complete = folders.filter((name) => kindOf(name) === 'Kustomization');
const components = folders.filter((name) => kindOf(name) === 'Component' && name !== 'images');

const digest = `sha256:${'5'.repeat(64)}`;
const own = { name: 'rcm-node', newName: 'registry.example.com:5000/group/rcm-node', digest };
const pause = { name: 'registry.k8s.io/pause', newName: 'mirror.example.com/pause' };

/** The manifests as a user has them who set the images in their one place. */
const settled = (t: Test): string => {
  const copy = join(t.testdir({}), 'bootstrap');
  cpSync(folder, copy, { recursive: true });
  const path = join(copy, 'images', 'kustomization.yaml');
  const text = parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, stringify({ ...text, images: [own, pause] }));
  return copy;
};

const kustomized = (path: string): string => {
  const { stdout, stderr, status } = spawnSync('kubectl', ['kustomize', path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${path}: ${stderr}`);
  return stdout;
};
/** A kustomization of one's own around these; kustomize wants to reach them by a relative path. */
const around = (copy: string, name: string, content: object): string => {
  const path = join(copy, '..', `around-${name}`);
  mkdirSync(path);
  writeFileSync(join(path, 'kustomization.yaml'), stringify(content));
  return kustomized(path);
};

const expected =
  /^(registry\.example\.com:5000\/group\/rcm-node@sha256:5{64}|mirror\.example\.com\/pause:\S+@sha256:\w{64})$/;
const taken = (t: Test, text: string, of: string): number => {
  const images = imagesOf(objectsOf(text));
  for (const image of images) t.match(image, expected, of);
  return images.length;
};

t.test('installing and uninstalling use the images of the one place', { skip: missing }, async (t) => {
  const copy = settled(t);
  t.ok(complete.length >= 8, complete.join());
  const counts = complete.map((name) => [name, taken(t, kustomized(join(copy, name)), name)]);
  t.match(Object.fromEntries(counts), {
    ...{
      '.': 3,
      nodes: 2,
      serviceaccount: 3,
      uninstall: 2,
      controller: 1,
      manifests: 2,
      crd: 0,
      policies: 0,
    },
  });
});

t.test(
  'so they do with each component, in another namespace, and with other names',
  { skip: missing },
  async (t) => {
    const copy = settled(t);
    t.same(components, ['knative', 'kubernetes-1.28', 'monitoring', 'network-policy']);
    const all = { resources: ['../bootstrap'], components: components.map((name) => `../bootstrap/${name}`) };
    t.equal(taken(t, around(copy, 'components', all), 'with components'), 3);
    for (const name of ['nodes', 'serviceaccount', 'uninstall']) {
      const text = around(copy, name, {
        namespace: 'other',
        namePrefix: 'my-',
        resources: [`../bootstrap/${name}`],
      });
      taken(t, text, name);
      for (const { kind, metadata } of objectsOf(text))
        if (kind === 'DaemonSet' || kind === 'Deployment')
          t.match(metadata, { namespace: 'other', name: /^my-rcm-node-/ }, `${name}: ${kind}`);
    }
  },
);

t.test('so does the one file', async (t) => {
  t.equal(taken(t, render(settled(t)), 'bootstrap.yaml'), 3);
});

t.test('a kustomization of a user can name them instead', { skip: missing }, async (t) => {
  const copy = join(t.testdir({}), 'bootstrap');
  cpSync(folder, copy, { recursive: true });
  for (const name of ['uninstall', 'serviceaccount'])
    taken(t, around(copy, name, { resources: [`../bootstrap/${name}`], images: [own, pause] }), name);
});

t.test('an image that the one place does not name is refused', async (t) => {
  const copy = settled(t);
  const path = join(copy, 'manifests', 'daemonset.yaml');
  writeFileSync(path, readFileSync(path, 'utf8').replace('image: rcm-node', 'image: other'));
  t.throws(() => render(copy), /does not name other/);
  writeFileSync(path, readFileSync(path, 'utf8').replace('image: other', 'image: rcm-node-extra:1'));
  t.throws(() => render(copy), /does not name rcm-node-extra:1/, 'a name that begins alike is another name');
});
