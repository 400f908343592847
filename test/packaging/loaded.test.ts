import { join } from 'node:path';
import t from 'tap';
import { bundle } from '../../packaging/bundle.ts';

const root = join(import.meta.dirname, '..', '..');

/** Libraries of the idle service: what it asks each minute (systemd, TOML), and what writes its log. */
const wanted: readonly string[] = ['dbus-next', 'smol-toml', 'pino'];

/** Those that are loaded, or may be, by a `require` in what is loaded. */
const { inputs } = await bundle(root, 'cli/main.ts', '0.0.0');

const loadedBy = (entries: readonly string[]): ReadonlySet<string> => {
  const seen = new Set<string>();
  const follow = (path: string): void => {
    const file = inputs[path];
    if (!file || seen.has(path)) return;
    seen.add(path);
    for (const one of file.imports) if (one.kind !== 'dynamic-import') follow(one.path);
  };
  for (const entry of entries) follow(entry);
  return seen;
};

const packageOf = (path: string): string | undefined => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];

/** Packages that our own files name, in what `entries` load. */
const named = (entries: readonly string[]): readonly string[] => [
  ...new Set(
    [...loadedBy(entries)]
      .filter((path) => packageOf(path) === undefined)
      .flatMap((path) => inputs[path]?.imports ?? [])
      .flatMap(({ kind, path }) => (kind === 'dynamic-import' ? [] : (packageOf(path) ?? []))),
  ),
];

t.test('the service loads no library that a settled tick can do without', async (t) => {
  t.strictSame([...named(['cli/main.ts', 'cli/commands.ts'])].sort(), [...wanted].sort());
});

t.test('status, version and help load no library but the one that a report is made of', async (t) => {
  t.strictSame(named(['cli/main.ts']), ['smol-toml']);
  t.notOk(loadedBy(['cli/main.ts']).has('cli/commands.ts'));
});

t.test(
  'HTTP clients, archives, signatures and registries are loaded when something is fetched',
  async (t) => {
    const loaded = [...loadedBy(['cli/main.ts', 'cli/commands.ts'])];
    for (const folder of [
      'host/http/download',
      'host/artifact/archive',
      'host/signature/verify',
      'host/registry/content',
    ])
      t.strictSame(
        loaded.filter((path) => path === `${folder}.ts`),
        [],
        folder,
      );
  },
);
