/**
 * What a package puts where, as a table. The program lies in a folder of its own below `versions`, which no version of
 * bootstrap or of install.sh takes: what a package manager owns, no other program replaces or removes.
 */
import { existsSync, globSync } from 'node:fs';
import { join, relative } from 'node:path';

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

/** rpm removes no folder that it does not list. */
const folders = [
  '/etc/rcm-node',
  '/etc/rcm-node/shims.d',
  '/opt/rcm-node',
  '/opt/rcm-node/bin',
  '/opt/rcm-node/bin/versions',
  packageFolder,
];

/** Of others in every host. */
const others = new Set(['doc', 'man', 'man/man5', 'man/man8']);

/** Folders below /usr/share in which the package alone may have files. */
const foldersOf = (paths: readonly string[]): readonly string[] => {
  const all = paths.flatMap((path) => {
    const parts = path.split('/').slice(0, -1);
    return parts.map((_, at) => parts.slice(0, at + 1).join('/'));
  });
  return [...new Set(all)].filter((path) => !others.has(path)).map((path) => `/usr/share/${path}`);
};

/** README.md leads to each of them, and they lead to each other. */
const documentsIn = (root: string): readonly string[] => [
  'README.md',
  'CHANGELOG.md',
  'SECURITY.md',
  ...filesBelow(join(root, 'docs')).map((path) => `docs/${path}`),
];

/** Paths from `folder`, in order. */
export const filesBelow = (folder: string): readonly string[] =>
  globSync('**/*', { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();

export type Given = {
  readonly root: string;
  /** dist/linux-<architecture>/ */
  readonly built: string;
  /** The unit as the package has it. */
  readonly unitFile: string;
  /** What goes below /usr/share as it is: man pages, completions, schemas. */
  readonly share: string;
};

export const contentsOf = ({ root, built, unitFile, share }: Given): readonly Entry[] => {
  const missing = payload.filter((name) => !existsSync(join(built, name)));
  if (missing.length > 0) throw new Error(`${built} lacks ${missing.join(', ')}: run npm run build`);
  const shared = filesBelow(share);
  const documents = documentsIn(root).map((path) => ({ from: path, to: `doc/rcm-node/${path}` }));
  const owned = [...shared, ...documents.map(({ to }) => to)];
  const file = (from: string, to: string): Entry => ({ kind: 'file', from, to, mode: 0o644 });
  return [
    ...payload.map((name) => ({
      ...file(join(built, name), `${packageFolder}/${name}`),
      mode: name === 'rcm-node' ? 0o755 : 0o644,
    })),
    { kind: 'link', to: '/usr/bin/rcm-node', target: '/opt/rcm-node/bin/rcm-node', mode: 0o777 },
    file(unitFile, `/usr/lib/systemd/system/${unit}`),
    ...[...folders, ...foldersOf(owned)].map((to) => ({ kind: 'folder', to, mode: 0o755 }) as const),
    // It may hold a proxy's password.
    {
      kind: 'settings',
      from: join(root, 'packaging/release/packages/config.toml'),
      to: '/etc/rcm-node/config.toml',
      mode: 0o600,
    },
    file(join(root, 'LICENSE'), '/usr/share/doc/rcm-node/copyright'),
    ...documents.map(({ from, to }) => file(join(root, from), `/usr/share/${to}`)),
    ...shared.map((path) => file(join(share, path), `/usr/share/${path}`)),
  ];
};

/** The unit names its documentation in the folder of the package. */
export const unitOfPackage = (text: string): string => {
  const named = /^Documentation=file:\/\/\/opt\/rcm-node\/bin\/versions\/[^/\n]+\//m;
  if (!named.test(text)) throw new Error(`${unit} names no documentation beside the executable`);
  return text.replace(named, `Documentation=file://${packageFolder}/`);
};
