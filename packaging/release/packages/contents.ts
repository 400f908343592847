/**
 * What a package puts where, as a table. The program lies in a folder of its own below `versions`, which no version of
 * bootstrap or of install.sh takes: what a package manager owns, no other program replaces or removes.
 */
import { existsSync, globSync } from 'node:fs';
import { basename, join } from 'node:path';

export type Entry = { readonly to: string; readonly mode: number } & (
  | { readonly kind: 'file' | 'settings'; readonly from: string }
  | { readonly kind: 'folder' }
  | { readonly kind: 'link'; readonly target: string }
);

/** The same name in every version: an upgrade replaces file by file, and the link to it leads somewhere at each moment. */
export const packageFolder = '/opt/rcm-node/bin/versions/package';

export const unit = 'rcm-node.service';

/** What has to be beside the executable; the build makes all of it. */
const payload = [
  'rcm-node',
  'libatomic.so.1',
  unit,
  'rcm-node-uninstall.service',
  'README.md',
  'THIRD-PARTY-LICENSES',
  'LICENSE',
];

/** Files that are there when they were written: name by pattern, and the folder they go to. */
const optional: readonly (readonly [pattern: string, to: (name: string) => string])[] = [
  ['packaging/man/*.[1-8]', (name) => `/usr/share/man/man${name.at(-1)}/${name}`],
  ['packaging/completions/rcm-node.bash', () => '/usr/share/bash-completion/completions/rcm-node'],
  ['packaging/completions/_rcm-node', () => '/usr/share/zsh/vendor-completions/_rcm-node'],
  ['packaging/completions/rcm-node.fish', () => '/usr/share/fish/vendor_completions.d/rcm-node.fish'],
];

/** `built` is dist/linux-<architecture>/; `unitFile` is the unit as the package has it. */
export const contentsOf = (root: string, built: string, unitFile: string): readonly Entry[] => {
  const missing = payload.filter((name) => !existsSync(join(built, name)));
  if (missing.length > 0) throw new Error(`${built} lacks ${missing.join(', ')}: run npm run build`);
  const file = (from: string, to: string): Entry => ({ kind: 'file', from, to, mode: 0o644 });
  return [
    ...payload.map((name) => ({
      ...file(join(built, name), `${packageFolder}/${name}`),
      mode: name === 'rcm-node' ? 0o755 : 0o644,
    })),
    { kind: 'link', to: '/usr/bin/rcm-node', target: '/opt/rcm-node/bin/rcm-node', mode: 0o777 },
    file(unitFile, `/usr/lib/systemd/system/${unit}`),
    { kind: 'folder', to: '/etc/rcm-node', mode: 0o755 },
    { kind: 'folder', to: '/etc/rcm-node/shims.d', mode: 0o755 },
    // It may hold a proxy's password.
    {
      kind: 'settings',
      from: join(root, 'packaging/release/packages/config.toml'),
      to: '/etc/rcm-node/config.toml',
      mode: 0o600,
    },
    file(join(root, 'LICENSE'), '/usr/share/doc/rcm-node/copyright'),
    file(join(root, 'README.md'), '/usr/share/doc/rcm-node/README.md'),
    file(join(root, 'CHANGELOG.md'), '/usr/share/doc/rcm-node/CHANGELOG.md'),
    ...globSync('docs/*.md', { cwd: root })
      .sort()
      .map((path) => file(join(root, path), `/usr/share/doc/rcm-node/${path}`)),
    ...optional.flatMap(([pattern, to]) =>
      globSync(pattern, { cwd: root })
        .sort()
        .map((path) => file(join(root, path), to(basename(path)))),
    ),
  ];
};

/** The unit names its documentation in the folder of the package. */
export const unitOfPackage = (text: string): string => {
  const named = /^Documentation=file:\/\/\/opt\/rcm-node\/bin\/versions\/[^/\n]+\//m;
  if (!named.test(text)) throw new Error(`${unit} names no documentation beside the executable`);
  return text.replace(named, `Documentation=file://${packageFolder}/`);
};
