import t from 'tap';
import { distros } from '../../daemon/runtimes/distros.ts';
import type { Placing } from '../../daemon/runtimes/distro.ts';
import { configFile } from '../../daemon/runtimes/parsed.ts';
import { placeOf } from '../../daemon/runtimes/place.ts';
import { problemOf } from '../../protocol/problem/problem.ts';

const placing = (name: string): Placing | undefined => {
  const row = distros.find((one) => one.name === name);
  return row && 'placing' in row ? row.placing : undefined;
};

const file = (path: string, text: string) =>
  configFile(path, { kind: 'regular', real: path, text, digest: '', mode: 0o644, uid: 0, gid: 0 });

const asked = (name: string, path: string, text?: string): unknown => {
  try {
    const main = text === undefined ? configFile(path, { kind: 'absent' }) : file(path, text);
    return placeOf(placing(name), main);
  } catch (error) {
    return problemOf(error);
  }
};

const folder = '/var/lib/rancher/k3s/agent/etc/containerd';
const main = `${folder}/config.toml`;
const templates = [`${folder}/config-v3.toml.tmpl`, `${folder}/config.toml.tmpl`];
const base = '{{ template "base" . }}\n';

t.test(
  'a rendered file that imports the folder gets a drop-in, otherwise the template of its version',
  async (t) => {
    for (const [version, dropIns, template] of [
      [3, 'config-v3.toml.d', 'config-v3.toml.tmpl'],
      [2, 'config.toml.d', 'config.toml.tmpl'],
      [4, 'config-v3.toml.d', 'config-v3.toml.tmpl'],
    ] as const) {
      const imports = `imports = ["${folder}/${dropIns}/*.toml"]`;
      t.same(asked('k3s', main, `version = ${version}\n${imports}\n`), {
        kind: 'folder',
        folder: `${folder}/${dropIns}`,
        readBy: 'runtime',
        templates,
      });
      const other = `imports = ["/etc/x/*.toml"]`;
      for (const more of ['', other])
        t.same(asked('k3s', main, `version = ${version}\n${more}\n`), {
          kind: 'template',
          path: `${folder}/${template}`,
          base,
          templates,
        });
    }
    t.match(asked('RKE2', '/srv/config.toml', 'imports = ["config.toml.d/*.toml"]\n'), {
      folder: '/srv/config.toml.d',
    });
  },
);

t.test(
  'before the first start nothing is known; an invalid file may be caused by our own template',
  async (t) => {
    t.match(asked('k3s', main), { code: 'no-runtime', where: { file: main } });
    t.match(asked('k3s', main, 'version = 3\na = \n'), {
      kind: 'template',
      path: `${folder}/config-v3.toml.tmpl`,
    });
  },
);

t.test('k0s merges its folder while it manages the file', async (t) => {
  const path = '/etc/k0s/containerd.toml';
  t.same(asked('k0s', path, '# k0s_managed=true\nversion = 3\n'), {
    kind: 'folder',
    folder: '/etc/k0s/containerd.d',
    readBy: 'distribution',
  });
  const imports = 'imports = ["/etc/k0s/containerd.d/*.toml"]';
  t.match(asked('k0s', path, `# k0s_managed=true\nversion = 3\n${imports}\n`), { readBy: 'runtime' });
  t.match(asked('k0s', path, 'version = 3\n# k0s_managed=true\n'), {
    code: 'unsupported-host',
    where: { file: path },
    hint: /containerd\.d/,
  });
  t.match(asked('k0s', path), { code: 'no-runtime' });
});

t.test('MicroK8s has an existing template, and Flatcar a copy of its read-only file', async (t) => {
  t.match(asked('MicroK8s', '/x'), { kind: 'template', base: '' });
  t.match(asked('Flatcar', '/usr/share/containerd/config.toml'), { kind: 'override' });
  t.match(asked('Flatcar', '/etc/containerd/config.toml'), { kind: 'override' });
  t.equal(asked('Flatcar', '/etc/containerd/site.toml'), undefined, 'a file of the site is the main file');
});

t.test('others have the main file', async (t) => {
  t.equal(asked('kind', '/etc/containerd/config.toml'), undefined);
  t.equal(placeOf(undefined, undefined), undefined);
});
