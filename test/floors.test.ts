/** Keeps the shape of the house: which file may know which, read from the files themselves. */

import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, posix } from 'node:path';
import { transformSync } from 'esbuild';
import t from 'tap';

const root = join(import.meta.dirname, '..');

/** Rooms from the ground up; a file may import from its own room and from those above it in this list. */
const ROOMS: readonly (readonly [pattern: RegExp, purity?: 'pure'])[] = [
  [/^protocol\//, 'pure'],
  [/^host\//],
  [/^kube\//],
  [/^daemon\/toml\//, 'pure'],
  [/^daemon\/model\//, 'pure'],
  [/^daemon\/registries\//, 'pure'],
  [/^daemon\/shims\//, 'pure'],
  [/^daemon\/runtimes\//, 'pure'],
  [/^daemon\/decide\//, 'pure'],
  [/^daemon\/state\//],
  [/^daemon\/cluster\//],
  [/^daemon\/reconcile\//],
  [/^daemon\/doctor\//],
  [/^controller\/model\//, 'pure'],
  [/^controller\/decide\/rollout\//, 'pure'],
  [/^controller\/decide\/shims\//, 'pure'],
  [/^controller\/decide\/status\//, 'pure'],
  [/^controller\/decide\//, 'pure'],
  [/^controller\/observe\//],
  [/^controller\/apply\//],
  [/^controller\//],
  [/^bootstrap\/(state|versions|plan|files|proof)\.ts$/, 'pure'],
  [/^bootstrap\//],
  [/^cli\//],
];

/** Pure files that stand among effects, because what they read belongs there. */
const PURE_BESIDE =
  /^(host\/(unit-file\/|registry\/(reference|challenge|manifest)\.ts|artifact\/(elf|elf-versions|kind|layers\/layers|tar-header)\.ts|facts\.ts)|kube\/(retry|credentials\/(token|kubeconfig-file))\.ts)/;

/** More files than this in one folder mean that a noun is missing. */
const MAXIMUM_FILES = 14;

/** Each of these is used through one file of our own, so that it can be replaced, and faked, in one place. */
const ONE_FILE_LIBRARIES = [
  'dbus-next',
  'node-fetch',
  'execa',
  'node:http2',
  'pino',
  'systeminformation',
  'node:ffi',
];

/** What pure files may import from outside: values in, values out. */
const PURE = new Set([
  'smol-toml',
  'yaml',
  'diff',
  'node:crypto',
  'node:path',
  'node:path/posix',
  'node:util',
  'node:buffer',
]);

const IMPURE: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['async', /\basync\b/],
  ['await', /\bawait\b/],
  ['Date.now', /\bDate\.now\b/],
  ['new Date() of now', /\bnew Date\(\s*\)/],
  ['Math.random', /\bMath\.random\b/],
  ['randomness of crypto', /\b(randomUUID|randomBytes|randomInt|getRandomValues)\b/],
  ['process', /(?<!\.)\bprocess\./],
  ['a timer', /\b(setTimeout|setInterval|setImmediate|performance)\b/],
];

const MAXIMUM_LINES = 250;

const token =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`|(?<=(?:[(,=:[!&|?{};>]|\breturn)\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])*\/[a-z]*/g;

/** Code without types, comments, and the text in strings, templates and regular expressions; their `${…}` stay. */
function bare(text: string): string {
  const { code } = transformSync(text, { loader: 'ts', target: 'node26', format: 'esm' });
  return code.replace(token, (found) =>
    found.startsWith('`')
      ? `\`${[...found.matchAll(/\$\{([^}]*)\}/g)].map((one) => one[1]).join(';')}\``
      : "''",
  );
}

/** Code and comments without texts for people, which have blanks in them. */
const unspoken = (text: string): string =>
  text.replace(token, (found) => (!/^\/[/*]/.test(found) && /\s/.test(found) ? "''" : found));

/** The names a file imports or re-exports, types included: a type ties as much as a value does. */
function imports(text: string): readonly string[] {
  const uncommented = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const statements =
    /^(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
  return [...uncommented.matchAll(statements)].map((found) => found[1] ?? found[2] ?? found[3] ?? '');
}

const roomOf = (path: string): number => ROOMS.findIndex(([pattern]) => pattern.test(path));

const isPure = (path: string): boolean => PURE_BESIDE.test(path) || ROOMS[roomOf(path)]?.[1] === 'pure';

const read = (path: string) => ({ path, text: readFileSync(join(root, path), 'utf8') });

const files = globSync('{protocol,host,kube,daemon,bootstrap,controller,cli}/**/*.ts', { cwd: root })
  .sort()
  .map(read);

/** Programs and tests beside them: no room, but without circles, and no program imports a folder of tests. */
const beside = globSync('{testbed,bench,demo,packaging,test,vm-tests}/**/*.ts', { cwd: root })
  .sort()
  .map(read);

const targetsOf = ({ path, text }: { readonly path: string; readonly text: string }): readonly string[] =>
  imports(text)
    .filter((name) => name.startsWith('.'))
    .map((name) => posix.join(posix.dirname(path), name));

/** Each circle once, as the files on it; types count, since a type ties as much as a value does. */
function circles(edges: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const found: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (path: string, way: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      found.push([...way.slice(way.indexOf(path)), path].join(' -> '));
      return;
    }
    state.set(path, 'open');
    for (const target of edges.get(path) ?? []) visit(target, [...way, path]);
    state.set(path, 'done');
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}

t.test('there are files, each in a known room', async (t) => {
  t.ok(files.length > 200, `${files.length} files`);
  t.same(
    files.filter(({ path }) => roomOf(path) < 0).map(({ path }) => path),
    [],
  );
});

t.test('the checks below find what they look for', async (t) => {
  const sample = [
    '// async',
    "const a = 'await'; const b = /async '/; const c = `process.exit $".concat('{Date.now()}`;'),
    'export type T = { readonly async: boolean };',
    "import type { X } from '../host/host.ts';",
    'export {',
    '  y,',
    "} from 'pino';",
    "const z = () => import('tar');",
  ].join('\n');
  t.notMatch(bare(sample), /async|await|process/);
  t.match(bare(sample), /Date\.now/);
  t.match(bare('export const f = async () => 1;'), /\basync\b/);
  t.same(imports(sample), ['../host/host.ts', 'pino', 'tar']);
});

t.test('imports only point down', async (t) => {
  const wrong = files.flatMap((file) =>
    targetsOf(file)
      .filter((target) => roomOf(target) < 0 || roomOf(target) > roomOf(file.path))
      .map((target) => `${file.path} imports ${target}`),
  );
  t.same(wrong, []);
});

t.test('there is no circle of imports, neither in production code nor in tests', async (t) => {
  t.same(
    circles(
      new Map([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['b']],
      ]),
    ),
    ['b -> c -> b'],
  );
  t.same(circles(new Map([...files, ...beside].map((file) => [file.path, targetsOf(file)]))), []);
});

t.test('no program imports a folder of tests', async (t) => {
  const wrong = [...files, ...beside]
    .filter(({ path }) => !/^(test|vm-tests)\//.test(path))
    .flatMap((file) =>
      targetsOf(file)
        .filter((target) => /^(test|vm-tests)\//.test(target))
        .map((target) => `${file.path} imports ${target}`),
    );
  t.same(wrong, []);
});

t.test(`no folder holds more than ${MAXIMUM_FILES} files`, async (t) => {
  const folders = Map.groupBy([...files, ...beside], ({ path }) => posix.dirname(path));
  t.same(
    [...folders]
      .filter(([, inside]) => inside.length > MAXIMUM_FILES)
      .map(([folder, inside]) => `${folder}: ${inside.length}`),
    [],
  );
});

t.test(
  'every import is of this project, of Node by its full name, or of a declared dependency',
  async (t) => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: object };
    const builtin = new Set(builtinModules.map((name) => (name.startsWith('node:') ? name : `node:${name}`)));
    const wrong = files.flatMap(({ path, text }) =>
      imports(text)
        .filter((name) => !name.startsWith('.') && !builtin.has(name) && !(name in manifest.dependencies))
        .map((name) => `${path} imports ${name}`),
    );
    t.same(wrong, []);
  },
);

t.test('pure files are values in and values out', async (t) => {
  const wrong = files
    .filter(({ path }) => isPure(path))
    .flatMap(({ path, text }) => {
      const code = bare(text);
      return [
        ...imports(text).filter((name) => !name.startsWith('.') && !PURE.has(name)),
        ...IMPURE.filter(([, pattern]) => pattern.test(code)).map(([what]) => what),
      ].map((what) => `${path} uses ${what}`);
    });
  t.same(wrong, []);
});

/** A field of Shims, and how every runtime's shims are called. */
const NAMES_OF_SHIMS = /containerdRuntimeOptions|containerd-shim-/g;

t.test('no container runtime is known by name outside of daemon/runtimes', async (t) => {
  const rows = globSync('daemon/runtimes/*/row.ts', { cwd: root });
  const names = rows.map((path) => posix.basename(posix.dirname(path)));
  t.ok(names.includes('containerd'));
  const known = new RegExp(names.join('|'), 'i');
  const lines = (text: string): readonly string[] =>
    unspoken(text)
      .replace(NAMES_OF_SHIMS, '')
      .split('\n')
      .filter((line) => known.test(line));
  t.same(lines("// it's containerd\nconst a = 'b c containerd d';\nconst b = 'containerd';\n"), [
    "// it's containerd",
    "const b = 'containerd';",
  ]);
  const wrong = files
    .filter(({ path }) => !path.startsWith('daemon/runtimes/'))
    .flatMap(({ path, text }) => lines(text).map((line) => `${path}: ${line.trim()}`));
  t.same(wrong, []);
});

t.test('each library is known to one file, in host', async (t) => {
  for (const library of ONE_FILE_LIBRARIES) {
    const users = files.filter(({ text }) => imports(text).includes(library)).map(({ path }) => path);
    t.ok(users.length <= 1, `${library} is imported by ${users.join(' and ') || 'none'}`);
    t.same(
      users.filter((path) => !path.startsWith('host/')),
      [],
      `${library} is used in host only`,
    );
  }
});

t.test(`no file is longer than ${MAXIMUM_LINES} lines, and each says first what it is for`, async (t) => {
  const length = (text: string): number => text.split('\n').length - 1;
  const shared = beside.filter(({ path }) => !/^(test|vm-tests)\//.test(path));
  t.ok(shared.length > 200, `${shared.length} files of the test bed, the bench, the demo and packaging`);
  const all = [...files, ...shared];
  const long = all.filter(({ text }) => length(text) > MAXIMUM_LINES);
  t.same(
    long.map(({ path, text }) => `${path}: ${length(text)} lines`),
    [],
  );
  t.same(
    all.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text)).map(({ path }) => path),
    [],
  );
});

/** Folders in which every user can make a file of any name, before root does. */
const FIXED_NAME_IN_A_SHARED_FOLDER = /(?<![\w.-])\/(?:var\/tmp|tmp|dev\/shm|run\/lock|var\/lock)\//;
/** `mkdtemp` makes a name that is free, and a folder that is ours; to look for names makes nothing. */
const NAME_OF_ITS_OWN_THERE = /(?<!\b(?:mkdtemp|mkdtempSync|globSync)\()\bjoin\(tmpdir\(\)|\$\{tmpdir\(\)\}/;

/** What a document tells people to type. */
const commandsIn = (text: string): readonly string[] => {
  let fenced = false;
  return text.split('\n').map((line) => {
    if (line.startsWith('```')) fenced = !fenced;
    return fenced || line.startsWith('    ') ? line : '';
  });
};

const predictable = (path: string, text: string): readonly string[] => {
  // Tests say what others would do, too.
  const patterns = path.endsWith('.test.ts')
    ? [NAME_OF_ITS_OWN_THERE]
    : [FIXED_NAME_IN_A_SHARED_FOLDER, NAME_OF_ITS_OWN_THERE];
  const lines = path.endsWith('.md') ? commandsIn(text) : text.split('\n');
  return lines.flatMap((line, at) =>
    patterns.some((pattern) => pattern.test(line)) ? [`${path}:${at + 1}: ${line.trim()}`] : [],
  );
};

t.test('no name in a shared folder is predictable, in code or in a document', async (t) => {
  for (const line of [
    '    mv /tmp/linux-x64 /opt/rcm-node',
    '    scp -r dist root@NODE:/tmp/',
    '    cat > /var/tmp/x',
    '    /run/lock/rcm-node',
  ])
    t.same(predictable('x.md', line).length, 1, line);
  t.same(predictable('x.ts', "join(tmpdir(), 'x')").length, 1);
  t.same(predictable('x.ts', "mkdtempSync(join(tmpdir(), 'x-'))"), []);
  t.same(predictable('x.md', 'An artifact in /tmp/x is what others put there.'), []);
  const wrong = globSync(['**/*.{ts,md,yaml,service,json}', '.ci/run'], {
    cwd: root,
    exclude: (name) => ['node_modules', 'dist', '.tap', '.git'].includes(name),
  })
    .filter((path) => path !== 'test/floors.test.ts' && path !== 'package-lock.json')
    .flatMap((path) => predictable(path, readFileSync(join(root, path), 'utf8')));
  t.same(wrong, []);
});
