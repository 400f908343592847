/**
 * Which test files share a process. To start one, with tap's loaders and what every file imports, takes longer than most
 * files run; so those that leave the process as it was run one after the other in few of them.
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type When, whenOf } from './when.ts';

/** What changes or measures its process, or ends with it, needs one of its own; to read the environment changes nothing. */
const needsOwn =
  /\bprocess\.(chdir|exitCode|umask|on|memoryUsage)\b|\bprocess\.exit\(|\bprocess\.kill\(process\b|(?<!\.\.\.)\bprocess\.env(\.\w+|\[[^\]]+\])? (=|\?\?=) |\bdelete process\.env\b|mockImport|^t\.(plan|before|afterEach)/m;
/** A folder for all tests of a file: tap empties it when the next file of the same process asks for one. */
const holdsFolder = (text: string): boolean =>
  text.split(/\n(?=[a-z])/i).some((statement) => {
    const [before = '', ...rest] = statement.split('t.testdir(');
    return rest.length > 0 && before.startsWith('const ') && !/\bt: |\(t\)|\bt =>/.test(before);
  });
/** Long groups must not run on alone while a processor is free. */
const most = 16;

const folder = join('.tap', 'groups');

export type Group = { readonly file: string; readonly members: readonly string[] };

/** Each test file of a tier below `test/` once: first the groups, which do not exist yet, then those that stand alone. */
export function groupsOf(root: string, tier: When['tier'] = 'always'): readonly Group[] {
  const all = globSync('test/**/*.test.ts', { cwd: root })
    .filter((file) => whenOf(root, file).tier === tier)
    .sort();
  const alone = all.filter((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    return rankOf(file) >= 0 || needsOwn.test(text) || holdsFolder(text);
  });
  const shared = all.filter((file) => !alone.includes(file));
  const count = Math.ceil(shared.length / most);
  // Files of one folder take about the same time: dealt out like this, so do the groups.
  const groups = Array.from({ length: count }, (_, index) => ({
    file: join(folder, `group-${String(index + 1).padStart(2, '0')}.test.ts`),
    members: shared.filter((_file, at) => at % count === index),
  }));
  return [...groups, ...alone.map((file) => ({ file, members: [file] }))];
}

/** Writes the groups below `.tap/`; the files to run in place of all below `test/`. */
export function grouped(root: string, tier: When['tier']): readonly string[] {
  rmSync(join(root, folder), { recursive: true, force: true });
  mkdirSync(join(root, folder), { recursive: true });
  return groupsOf(root, tier).map(({ file, members }) => {
    if (isGroup(file))
      writeFileSync(join(root, file), members.map((member) => `import '../../${member}';\n`).join(''));
    return file;
  });
}

const isGroup = (file: string): boolean => dirname(file) === folder;

/** The files that a group runs; a file that is none runs itself. */
export const membersOf = (root: string, file: string): readonly string[] =>
  isGroup(file)
    ? [...readFileSync(join(root, file), 'utf8').matchAll(/'..\/..\/(.*)'/g)].map(([, member = '']) => member)
    : [file];

/**
 * Those of real nodes and clusters that take minutes, and stories that are killed at every effect, longest first: begun before the
 * others, so that the last one does not run on alone.
 */
export const longest = [
  'whole/crash',
  'whole/crash-change',
  'prepared/crash',
  'cluster/trouble',
  'controller/deployment',
  'cluster/lifecycle',
  'cluster/shims',
  'controller/rollout',
  'recipes/kubeadm',
  'controller/samples',
  'gitops/prune',
  'cluster/bootstrap',
  'cluster/field',
  'cluster/api',
  'vm-tests/rollback',
  'vm-tests/drift',
  'vm-tests/bad-luck',
  'prepared/node',
  'vm-tests/kill',
  'packages/life',
  'vm-tests/bootstrap',
  'vm-tests/install',
  'distros/trouble',
  'vm/cloud-init',
  'vm-tests/unit',
  'containerd/newest',
  'vm/bake',
  'shims/wasm',
  'takeover/every-stop',
];

const rankOf = (file: string): number => longest.findIndex((one) => `/${file}`.endsWith(`/${one}.test.ts`));

/** tap runs files in the order of their names, so that a file that is to begin first has a name for it. */
export function longestFirst(root: string, files: readonly string[]): readonly string[] {
  if (files.filter((file) => rankOf(file) >= 0).length < 2) return files;
  mkdirSync(join(root, folder), { recursive: true });
  return files.map((file) => {
    if (rankOf(file) < 0) return file;
    const name = `first-${String(rankOf(file)).padStart(2, '0')}-${file.replaceAll('/', '-')}`;
    writeFileSync(join(root, folder, name), `import '../../${file}';\n`);
    return join(folder, name);
  });
}
