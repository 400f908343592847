/** What a mistake in the command line of the build and of a release leads to: the usage, and nothing is removed or written. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { architecturesOf, distOf } from '../../packaging/arguments.ts';

const run = (script: string, ...argv: readonly string[]) =>
  spawnSync(process.execPath, [join('packaging', script), ...argv], { encoding: 'utf8' });

t.test('a command line that is wrong is answered with the usage', async (t) => {
  for (const script of ['build.ts', 'release/main.ts'])
    for (const [argv, message] of [
      [['--only', 'amd64'], /^--only amd64: x64 or arm64 is expected\n/],
      [['--onyl', 'x64'], /^Unknown option '--onyl'/],
      [['--version'], /^Option '--version <value>' argument missing/],
    ] as const) {
      const { status, stdout, stderr } = run(script, ...argv);
      t.equal(status, 2, `${script} ${argv.join(' ')}: ${stderr}`);
      t.match(stderr, message);
      t.match(stderr, /\n\nnpm run (build|release) \[-- OPTIONS\]\n/);
      t.notMatch(stderr, /\n +at /, 'no stack');
      t.equal(stdout, '');
    }
  t.match(run('release/main.ts', 'images').stderr, /^images: it takes options only\n/);
});

t.test('a script that a document names says what is wrong with its arguments and its file', async (t) => {
  const folder = t.testdir({
    'list.bu': 'a: [',
    'text.bu': 'text',
    'other.bu': 'varant: flatcar',
    'old.bu': 'variant: x',
  });
  for (const [script, argv, message] of [
    ['ignition/render.ts', [], /^FILE is missing\n/],
    ['ignition/render.ts', ['/nope.bu'], /^\/nope\.bu: ENOENT: no such file/],
    ['ignition/render.ts', [join(folder, 'list.bu')], /\/list\.bu: Flow sequence .* at line 1, column/],
    ['ignition/render.ts', [join(folder, 'text.bu')], /\/text\.bu: the file is no table: use butane\n/],
    ['ignition/render.ts', [join(folder, 'other.bu')], /\/other\.bu: the file has varant: use butane\n/],
    ['ignition/render.ts', [join(folder, 'old.bu')], /\/old\.bu: x without a version: use butane\n/],
    ['monitoring/write.ts', ['--to', '/nope'], /^--documents and --to belong together\n/],
    ['monitoring/write.ts', ['my-rules'], /^my-rules: it takes options only\n/],
    ['monitoring/write.ts', ['--too', 'x'], /^Unknown option '--too'/],
  ] as const) {
    const { status, stderr } = run(script, ...argv);
    t.equal(status, 2, `${script} ${argv.join(' ')}`);
    t.match(stderr, message);
    t.match(stderr, `\n\nnpx node packaging/${script} `);
    t.notMatch(stderr, /\n +at /, 'no stack');
  }
});

t.test('--help prints the options', async (t) => {
  for (const script of ['build.ts', 'release/main.ts']) {
    const { status, stdout, stderr } = run(script, '--help');
    t.equal(status, 0, stderr);
    for (const option of ['--only', '--version', '--dist']) t.match(stdout, `  ${option} `);
  }
});

t.test('a folder with other files is not emptied', async (t) => {
  const folder = t.testdir({ home: { 'letter.txt': 'dear' }, built: { 'rcm-node.cjs': '' }, empty: {} });
  const home = join(folder, 'home');
  const { status, stderr } = run('build.ts', '--dist', home);
  t.equal(status, 2);
  t.match(stderr, `--dist ${home}: it holds other files, which a build would remove\n`);
  t.ok(existsSync(join(home, 'letter.txt')));
  for (const name of ['built', 'empty', 'new']) t.equal(distOf(join(folder, name)), join(folder, name));
});

t.test('without --only it is every architecture', async (t) => {
  t.same(architecturesOf(undefined), ['x64', 'arm64']);
  t.same(architecturesOf('arm64'), ['arm64']);
});
