/** The program as people and scripts run it: words in; text, JSON and exit codes out. Never on this host itself. */
import { type SpawnOptions, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { usage } from '../../cli/arguments.ts';
import { type Shell, shells } from '../../cli/completion/shells.ts';
import { catalogueOf } from '../../cli/shims/catalogue.ts';
import { exampleOf } from '../../cli/shims/example.ts';
import { readTexts } from '../../cli/shims/texts.ts';
import { faultsOf } from './documented.ts';
import { outputSchema } from '../../packaging/documents/output-schema.ts';
import { validate, withoutValidator } from '../../testbed/json-schema.ts';
import { version } from '../../protocol/version.ts';
import { bundle } from '../../packaging/bundle.ts';

// Each run of the program is a Node that starts; on a slow machine they add up.
t.setTimeout(300_000);

const main = join(import.meta.dirname, '../../cli/main.ts');
/** As it is shipped: one file, which starts in a third of the time. */
const shipped = join(mkdtempSync(join(tmpdir(), 'rcm-bundle-')), 'rcm-node.cjs');
const { text } = await bundle(join(import.meta.dirname, '../..'), 'cli/main.ts', version);
writeFileSync(shipped, text);
// One test runs it as the user `nobody`.
chmodSync(dirname(shipped), 0o755);
t.teardown(() => rmSync(dirname(shipped), { recursive: true, force: true }));
const isRoot = process.getuid?.() === 0;
const rootOnly = isRoot ? false : 'needs root: the command changes a host';

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

/** Every document that a run printed. */
const printed: { readonly words: readonly string[]; readonly document: unknown }[] = [];

/** Runs a program to its end. `drop`: that stream is closed from the start. */
const runAs = async (
  argv: readonly [string, ...string[]],
  options: SpawnOptions & { readonly drop?: 'stdout' | 'stderr' } = {},
): Promise<Ended> => {
  const [program, ...words] = argv;
  const { drop, ...rest } = options;
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], ...rest });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    if (drop === name) child[name]?.destroy();
    else
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        said[name] += text;
      });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => (signal ? reject(new Error(signal)) : resolve(status)));
  });
  if (words.includes('--json') && drop === undefined && said.stdout !== '')
    printed.push({ words, document: JSON.parse(said.stdout) });
  return { code, out: said.stdout, err: said.stderr };
};

/** As the executable is built (packaging/build.ts): Node has a warning for what it calls experimental. */
const node = [process.execPath, '--disable-warning=ExperimentalWarning'] as const;
/** Without tap's hooks, which double the time of a start. */
const bare = ['env', '--unset=NODE_OPTIONS', ...node, shipped] as const;
const run = (...words: readonly string[]): Promise<Ended> => runAs([...bare, ...words]);
/** Several runs at once: most of their time is Node's start. */
const runAll = (...list: readonly (readonly string[])[]): Promise<readonly Ended[]> =>
  Promise.all(list.map((words) => run(...words)));

const isMeasured = process.env._TAPJS_PROCESSINFO_COVERAGE_ !== '0';
/** Where coverage is measured, with the hooks: one run of each kind is enough for it. */
const measureAll = (...list: readonly (readonly string[])[]): Promise<readonly Ended[]> =>
  isMeasured ? Promise.all(list.map((words) => runAs([...node, main, ...words]))) : runAll(...list);

t.test('help and version go to standard output', async (t) => {
  const [help, one, plain, json] = await measureAll(
    ['--help'],
    ['once', '--help'],
    ['version'],
    ['--version', '--json'],
  );
  t.same(help, { code: 0, out: usage, err: '' });
  t.match(one, { code: 0, out: /^rcm-node once: /, err: '' });
  t.same(plain, { code: 0, out: `rcm-node ${version}\n`, err: '' });
  t.equal(json?.code, 0);
  const { version: node, arch } = process;
  t.same(JSON.parse(json?.out ?? ''), { schema: 1, command: 'version', exitCode: 0, version, node, arch });
});

t.test('the executable prints the completions of each shell', async (t) => {
  const names = Object.keys(shells) as readonly Shell[];
  const ended = await runAll(...names.map((name) => ['completion', name]));
  for (const [index, name] of names.entries())
    t.same(ended[index], { code: 0, out: shells[name](), err: '' }, name);
});

t.test('a wrong command line says what is wrong, on standard error, with exit code 2', async (t) => {
  const folder = t.testdir({ file: '' });
  const cases = [
    [[], 'a command is missing'],
    [['constructor'], '"constructor" is not a command'],
    [['once', '--dry-run'], 'there is no option "--dry-run"'],
    [['once', '--root', join(folder, 'none')], 'there is no such folder'],
    [['plan', '--root', join(folder, 'file')], 'there is no such folder'],
  ] as const;
  const ended = await runAll(...cases.map(([words]) => words));
  for (const [index, [words, message]] of cases.entries()) {
    t.match(
      ended[index],
      { code: 2, out: '', err: /^rcm-node: .* \(bad-usage\)\nSee rcm-node help( \w+)?\.\n$/ },
      words.join(' '),
    );
    t.match(ended[index]?.err, message);
  }
  t.notOk(existsSync(join(folder, 'none')), 'a misspelt root is not made');
  const [none, odd] = await runAll(['plan', '--json', '--root', join(folder, 'none')], ['plann', '--json']);
  t.match(none, { code: 2, err: '' });
  const error = { code: 'bad-usage', hint: 'See rcm-node help plan.' };
  t.match(JSON.parse(none?.out ?? ''), { schema: 1, command: 'plan', exitCode: 2, error });
  t.match(JSON.parse(odd?.out ?? ''), {
    command: null,
    exitCode: 2,
    error: { message: /did you mean "plan"/ },
  });
});

const report = {
  version: 1,
  agent: '0.1.0',
  at: '2024-01-02T03:04:05.000Z',
  outcome: { kind: 'converged' },
  runtime: { name: 'containerd', version: '2.1.0', unit: 'containerd.service' },
  handlers: [{ name: 'spin', state: 'served', source: '/f' }],
  notes: [],
  did: [],
  restarts: { lastHour: 0, last: null },
  trusted: {},
  cluster: null,
};
/** A root with each of these texts as its status. */
const withStatus = (t: Test, ...texts: readonly string[]): readonly string[] => {
  const folder = t.testdir(
    Object.fromEntries(texts.map((text, index) => [index, { run: { 'rcm-node': { 'status.json': text } } }])),
  );
  return texts.map((_text, index) => join(folder, String(index)));
};

t.test('the executable has the samples in it, and prints each as a local file', async (t) => {
  const samples = catalogueOf(readTexts(join(import.meta.dirname, '../../bootstrap/samples')));
  const [list, asJson, one, example, misspelt, unknown] = await runAll(
    ['shim', 'list'],
    ['shim', 'list', '--json'],
    ['shim', 'example', 'crun-wasmedge'],
    ['shim', 'example', 'kata', '--json'],
    ['shim', 'example', 'spn'],
    ['shim', 'example', 'constructor', '--json'],
  );
  t.match(list, { code: 0, err: '' });
  for (const { name, version, state } of samples)
    t.match(list?.out, new RegExp(`^ {2}${name} +${version.replaceAll('.', '[.]')} +${state} `, 'm'));
  const shims = samples.map(({ text: _text, ...row }) => row);
  t.strictSame(JSON.parse(asJson?.out ?? ''), { schema: 1, command: 'shim', exitCode: 0, shims });
  const tomlOf = (name: string) =>
    exampleOf(samples.find((sample) => sample.name === name) ?? { name, text: '' });
  t.same(one, { code: 0, out: tomlOf('crun-wasmedge'), err: '' });
  t.match(JSON.parse(example?.out ?? ''), { example: { name: 'kata', toml: tomlOf('kata') } });
  t.match(misspelt, {
    code: 2,
    out: '',
    err: /there is no example "spn"; did you mean "spin"\? \(bad-usage\)\n.*help shim/,
  });
  t.match(unknown, { code: 2, out: /"bad-usage"/, err: '' });
  if (isMeasured) await measureAll(['shim', 'list'], ['shim', 'example', 'spin']);
});

t.test('status shows the last tick, and its exit code is that of the tick', async (t) => {
  const problem = { code: 'bad-toml', message: 'odd' };
  const outcomes = [
    [{ kind: 'converged' }, 0],
    [{ kind: 'degraded', problems: [problem] }, 1],
    [{ kind: 'failed', problem, undone: true }, 1],
    [{ kind: 'refused', problem }, 3],
    [{ kind: 'waiting', for: [problem] }, 4],
  ] as const;
  const texts = outcomes.map(([outcome]) => JSON.stringify({ ...report, outcome }));
  const roots = withStatus(t, ...texts);
  const ended = await runAll(...roots.map((root) => ['status', '--root', root]));
  for (const [index, [outcome, code]] of outcomes.entries()) {
    const out = /^● Serving 1 of 1 \(spin\) on containerd 2\.1\.0\n/;
    t.match(ended[index], { code, err: '', out }, outcome.kind);
    t.notMatch(ended[index]?.out, '\u001b', 'no colour where no terminal is');
  }
  const [json] = await measureAll(['status', '--json', '--root', roots[4] ?? '']);
  t.match(json, { code: 4, err: '' });
  const shown = JSON.parse(json?.out ?? '');
  t.match(shown, { command: 'status', exitCode: 4, outcome: { kind: 'waiting', problems: [problem] } });
  t.same(faultsOf(['Every document', 'Report'], shown), []);
});

t.test('a missing or damaged status is an error with a way out', async (t) => {
  const damaged = ['{', 'null', '{"version":2,"outcome":{"kind":"new"}}'];
  const roots = withStatus(t, ...damaged, '\ufffd'.repeat(3_000_000));
  const none = dirname(roots[0] ?? '');
  const [text, json, ...others] = await measureAll(
    ['status', '--root', none],
    ['status', '--root', none, '--json'],
    ...roots.map((root) => ['status', '--root', root]),
  );
  t.match(text, {
    code: 1,
    out: '',
    err: /^✗ \/run\/rcm-node\/status\.json: rcm-node has not run in \/.*\n {2}rcm-node once --root DIR/,
  });
  t.match(json, { code: 1, err: '' });
  t.match(JSON.parse(json?.out ?? ''), {
    error: { code: 'no-runtime', where: { file: '/run/rcm-node/status.json' } },
  });
  for (const [index, what] of damaged.entries())
    t.match(others[index], { code: 1, out: '', err: /the status is not of this version/ }, what);
  t.match(others.at(-1), { code: 1, err: /the status cannot be read/ });
});

t.test('colour is for terminals, unless NO_COLOR is set', async (t) => {
  if (spawnSync('script', ['--version']).status !== 0)
    return t.pass('colour', { skip: 'script(1) is not installed' });
  const [root = ''] = withStatus(t, JSON.stringify(report));
  const words = [
    '--quiet',
    '--return',
    '--command',
    'exec "$NODE" "$MAIN" status --root "$ROOT"',
    '/dev/null',
  ];
  const env: NodeJS.ProcessEnv = { ...process.env, NODE: process.execPath, MAIN: shipped, ROOT: root };
  delete env.NO_COLOR;
  const shown = await runAs(['script', ...words], { env });
  t.match(shown, { code: 0, out: '\u001b[32m●\u001b[39m' });
  t.notMatch((await runAs(['script', ...words], { env: { ...env, NO_COLOR: '1' } })).out, '\u001b[3');
});

t.test('a closed pipe is no error, but a full disk is', async (t) => {
  const [root = ''] = withStatus(t, JSON.stringify(report));
  const argv = [...bare, 'status', '--root', root] as const;
  const [unread, unheard] = await Promise.all([
    runAs(argv, { drop: 'stdout' }),
    runAs([...bare, 'nonsense'], { drop: 'stderr' }),
  ]);
  t.match(unread, { code: 0, err: '' });
  t.match(unheard, { code: 2, out: '' });
  if (!existsSync('/dev/full')) return t.pass('full', { skip: 'there is no /dev/full' });
  const full = await runAs(argv, { stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'] });
  t.match(full, { code: 1, err: /standard output cannot be written: ENOSPC/ });
});

t.test('commands that change a host need root', async (t) => {
  // Not below this folder, which the other user may not see.
  const root = mkdtempSync(join(tmpdir(), 'rcm-main-'));
  chmodSync(root, 0o755);
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  // Without tap's environment, whose hooks write where only this user may.
  const become = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
  const clean = ['-i', `PATH=${process.env.PATH}`, ...become, process.execPath, shipped];
  const commands = [['run'], ['once', '--root', root], ['uninstall', '--root', root, '--force']];
  const ended = await Promise.all(commands.map((words) => runAs(['env', ...clean, ...words])));
  const err =
    /^✗ "rcm-node \w+" changes .*, which only root can do; it runs as uid \d+, .*\n {2}Run it as root/;
  for (const [index, words] of commands.entries())
    t.match(ended[index], { code: 1, out: '', err }, words.join(' '));
  for (const name of ['plan', 'doctor']) {
    const { code, err } = await runAs(['env', ...clean, name, '--root', root]);
    t.equal(code, 1, name);
    t.match(err, 'changes nothing, but reads what only root can read', name);
  }
});

t.test('without a runtime nothing is done', { skip: rootOnly }, async (t) => {
  const root = t.testdir({ run: {}, var: { lib: {} }, opt: {} });
  const [planned, checked] = await runAll(['plan', '--root', root], ['doctor', '--root', root]);
  t.match(planned, {
    code: 3,
    out: /^Refused; nothing is changed\.\n✗ containerd is not installed below /,
    err: '',
  });
  t.match(checked, { code: 1, out: /✗ runtime: containerd is not installed/, err: '' });
  t.match(
    await runAs([...bare, 'once', '--root', root], {
      drop: 'stderr',
    }),
    {
      code: 3,
      out: /refused/,
    },
  );
  t.match(await run('status', '--root', root), { code: 3, out: /refused/ });
  t.match(await run('uninstall', '--root', root), { code: 0, out: /containerd is not installed/ });
});

t.test(
  'with invalid settings nothing is applied, their place is named, and an uninstall works',
  { skip: rootOnly },
  async (t) => {
    const root = image(t);
    writeFileSync(join(root, 'etc/rcm-node/config.toml'), 'interval = 1\n');
    const says =
      /config\.toml:1:1: "interval" is 1, but must be from 5 .*; no valid settings are known, so nothing new is installed/;
    const [text, json] = await measureAll(['once', '--root', root], ['plan', '--json', '--root', root]);
    t.match(text, { code: 3, out: says, err: '' });
    t.match(json, { code: 1, err: '' }, 'an input is wrong');
    const where = { file: '/etc/rcm-node/config.toml', line: 1, column: 1 };
    t.match(JSON.parse(json?.out ?? ''), {
      plan: { kind: 'refused', problem: { code: 'bad-settings', where } },
    });
    t.notOk(existsSync(join(root, 'opt/rcm-node/shims/spin')));
    t.match(await run('uninstall', '--root', root), { code: 0, out: /^No change of rcm-node was left/ });
  },
);

/** Answers as containerd 2.1 does: its defaults, and what the staged drop-in adds to them. */
const containerd = `#!/bin/sh
echo_rows() {
  while IFS= read -r row; do
    case "$row" in version*|imports*|'#'*) ;; *) printf '%s\\n' "$row" ;; esac
  done < "$1"
}
defaults() {
  printf '%s\\n' 'version = 3' '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]' \\
    'runtime_type = "io.containerd.runc.v2"'
}
case "$*" in
  --version) echo 'containerd github.com/containerd/containerd/v2 v2.1.0 1234abc' ;;
  'config default') defaults ;;
  *'config dump') defaults; for file in "\${2%/*}"/zz*.toml; do [ -e "$file" ] && echo_rows "$file"; done; true ;;
  *) exit 9 ;;
esac
`;

/** A root in which a shell runs, as an image has one: the shell of this machine with its libraries. */
const image = (t: Test): string => {
  const root = mkdtempSync(join(tmpdir(), 'rcm-main-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const add = (from: string, to = from): void => {
    mkdirSync(join(root, dirname(to)), { recursive: true });
    copyFileSync(realpathSync(from), join(root, to));
    chmodSync(join(root, to), 0o755);
  };
  add('/bin/sh');
  for (const [library] of execFileSync('ldd', [realpathSync('/bin/sh')], { encoding: 'utf8' }).matchAll(
    /\/\S+/g,
  ))
    add(library);
  for (const folder of ['etc/rcm-node/shims.d', 'data/opt', 'run', 'srv', 'usr/bin', 'var/lib'])
    mkdirSync(join(root, folder), { recursive: true });
  // As on ostree systems, and absolute: it must lead to the image's folder and not to the host's.
  symlinkSync('/data/opt', join(root, 'opt'));
  writeFileSync(join(root, 'usr/bin/containerd'), containerd, { mode: 0o755 });
  const shim = '#!/bin/sh\n';
  writeFileSync(join(root, 'srv/a shim'), shim);
  writeFileSync(
    join(root, 'etc/rcm-node/shims.d/spin.toml'),
    `name = "spin"
[fetchStrategy.anonHttp]
location = "file:///srv/a%20shim"
sha256 = "${createHash('sha256').update(shim).digest('hex')}"
`,
  );
  return root;
};

t.test('an image is prepared and inspected, and uninstall restores it', { skip: rootOnly }, async (t) => {
  const root = image(t);
  const at = (path: string): string => join(root, path);
  const planned = await run('plan', '--root', root);
  t.match(planned, { code: 4, err: '' });
  t.match(planned.out, '  1. fetch file:///srv/a%20shim for spin');
  t.match(planned.out, '+++ /etc/containerd/conf.d/zz-rcm-node.toml');
  t.notMatch(planned.out, 'restart containerd');
  t.notOk(existsSync(at('etc/containerd')), 'a plan changes nothing');

  const secret = at('etc/rcm-node/shims.d/secret.toml');
  const location = 'https://user:hunter2@example.com/shim?X-Amz-Signature=hunter2';
  const artifact = `location = "${location}"\nsha256 = "${'ab'.repeat(32)}"`;
  writeFileSync(secret, `name = "secret"\n[fetchStrategy.anonHttp]\n${artifact}\n`);
  const [text, json] = await runAll(['plan', '--root', root], ['plan', '--json', '--root', root]);
  for (const said of [text, json]) {
    t.match(said, { code: 4, out: 'https://example.com/shim' });
    t.notMatch(`${said?.out}${said?.err}`, 'hunter2', 'no credentials of an address');
  }
  const document = JSON.parse(json?.out ?? '');
  t.match(document, { plan: { kind: 'steps' }, handlers: [{ name: 'secret' }, {}] });
  t.same(faultsOf(['Every document', 'Plan'], document), []);
  rmSync(secret);

  t.match(await run('once', '--root', root), {
    code: 0,
    out: /Written, not loaded: 1 of 1 \(spin\)/,
    err: /plan: fetch/,
  });
  t.match(readFileSync(at('etc/containerd/conf.d/zz-rcm-node.toml'), 'utf8'), 'runtimes.spin]');
  t.ok(existsSync(at('data/opt/rcm-node/shims/spin')), 'in the image, where its /opt leads');
  const [shown, settled] = await runAll(['status', '--root', root], ['plan', '--root', root]);
  t.match(shown, { code: 0, out: /spin +written/ });
  t.match(settled, { code: 0, out: 'Nothing to do: the host is in the desired state.\n' });

  const store = at('data/opt/rcm-node/store');
  const key = readdirSync(store).find((name) => !name.startsWith('.')) ?? '';
  const binary = join(store, key, 'containerd-shim-spin');
  const bytes = readFileSync(binary);
  writeFileSync(binary, Buffer.from(bytes.map((byte) => byte ^ 1)));
  const [quick, deep] = await runAll(['plan', '--root', root], ['plan', '--deep', '--root', root]);
  t.match(quick, { code: 0 }, 'the size is as it was, and nothing else is looked at');
  t.match(deep, { code: 4, out: 'for spin' });
  writeFileSync(binary, bytes);

  writeFileSync(at('etc/rcm-node/shims.d/bad.toml'), 'name = ');
  const [again, planned2] = [await run('once', '--json', '--root', root), await run('plan', '--root', root)];
  t.same([again.code, planned2.code], [1, 1]);
  t.match(JSON.parse(again.out), {
    outcome: { kind: 'degraded', problems: [{ code: 'bad-toml' }] },
    did: [],
  });

  const gone = await run('uninstall', '--json', '--root', root);
  t.equal(gone.code, 0);
  t.same(faultsOf(['Every document', 'Uninstall'], JSON.parse(gone.out)), []);
  t.match(JSON.parse(gone.out), { complete: true, report: { outcome: { kind: 'converged' } } });
  for (const path of ['etc/containerd', 'data/opt/rcm-node/store', 'var/lib/rcm-node'])
    t.notOk(existsSync(at(path)), path);
});

t.test(
  'exit codes differ for wrong input, a refusal, a failure and success',
  { skip: rootOnly },
  async (t) => {
    const root = image(t);
    const at = (name: string): string => join(root, 'etc/rcm-node/shims.d', name);
    const good = readFileSync(at('spin.toml'), 'utf8');
    const other = good.replace('"spin"', '"other"');
    const codes = async (): Promise<readonly (number | null)[]> => {
      const planned = await run('plan', '--json', '--root', root);
      t.same(faultsOf(['Every document', 'Plan'], JSON.parse(planned.out)), []);
      t.equal(JSON.parse(planned.out).exitCode, planned.code);
      const done = await run('once', '--json', '--root', root);
      t.same(faultsOf(['Every document', 'Report'], JSON.parse(done.out)), []);
      const told = await run('status', '--root', root);
      return [planned.code, done.code, told.code];
    };
    writeFileSync(at('spin.toml'), 'name = ');
    t.same(await codes(), [1, 3, 3], 'the only file is no TOML');
    writeFileSync(at('spin.toml'), good.replace(/sha256 = .*/, ''));
    writeFileSync(at('other.toml'), other.replace('"other"', '"runc"'));
    t.same(await codes(), [1, 3, 3], 'no digest, and a name that is reserved');
    writeFileSync(at('other.toml'), other.replace(/sha256 = .*/, `sha256 = "${'0'.repeat(64)}"`));
    rmSync(at('spin.toml'));
    t.same(await codes(), [4, 1, 1], 'a digest that is wrong is found by trying');
    rmSync(at('other.toml'));
    writeFileSync(at('spin.toml'), good);
    writeFileSync(at('bad.toml'), 'nam = "x"');
    t.same(await codes(), [1, 1, 1], 'one of two is wrong: there are changes all the same');
    rmSync(at('bad.toml'));
    t.same(await codes(), [0, 0, 0]);
  },
);

t.test('each example is planned and served once a digest is in it', { skip: rootOnly }, async (t) => {
  const root = image(t);
  const folder = join(root, 'etc/rcm-node/shims.d');
  rmSync(join(folder, 'spin.toml'));
  const samples = catalogueOf(readTexts(join(import.meta.dirname, '../../bootstrap/samples')));
  const examples = await Promise.all(samples.map(({ name }) => run('shim', 'example', name)));
  for (const [index, { name }] of samples.entries())
    writeFileSync(join(folder, `${name}.toml`), examples[index]?.out ?? '');
  type Plan = {
    readonly handlers: readonly { readonly name: string; readonly problem?: unknown }[];
    readonly problems: readonly { readonly code: string; readonly where: { readonly file: string } }[];
  };
  const planOf = (said: Ended): Plan => JSON.parse(said.out);
  const asPrinted = planOf(await run('plan', '--json', '--root', root));
  const hasDigest = ({ text }: { readonly text: string }) => /^ +sha256: [0-9a-f]{64}$/m.test(text);
  t.same(
    asPrinted.problems.map(({ code, where }) => `${code} ${where.file}`),
    samples.filter((one) => !hasDigest(one)).map(({ name }) => `unpinned /etc/rcm-node/shims.d/${name}.toml`),
    'as they are printed, they lack nothing but digests',
  );
  t.equal(asPrinted.handlers.length, samples.filter(hasDigest).length);

  // In the place of each archive, one of programs that do nothing; a person would write its digest down just so.
  for (const [index, { name, text }] of samples.entries()) {
    const { metadata, spec } = parse(text) as {
      readonly metadata: { readonly name: string };
      readonly spec: {
        readonly runtime?: { readonly binary: string; readonly libraries?: readonly string[] };
      };
    };
    const { binary = `containerd-shim-${metadata.name}`, libraries = [] } = spec.runtime ?? {};
    const tree = mkdtempSync(join(root, 'srv/tree-'));
    for (const file of [binary, ...libraries]) writeFileSync(join(tree, file), '#!/bin/sh\n');
    const archive = join(root, 'srv', `${name}.tar`);
    // Each in turn, since the executable loads most decoders only when they are needed.
    const compression = ['gzip', 'xz', 'bzip2', 'zstd'][index % 4] ?? '';
    execFileSync('tar', [`--${compression}`, '-cf', archive, '-C', tree, '.']);
    const sha256 = createHash('sha256').update(readFileSync(archive)).digest('hex');
    const path = join(folder, `${name}.toml`);
    const toml = readFileSync(path, 'utf8')
      .replaceAll(/^location = "[^"]*"/gm, `location = "file:///srv/${name}.tar"`)
      .replaceAll(/^(?:# )?sha256 = ".*"$/gm, `sha256 = "${sha256}"`);
    writeFileSync(path, toml);
  }
  const planned = await run('plan', '--json', '--root', root);
  t.equal(planned.code, 4, planned.out);
  t.same(planOf(planned).problems, []);
  const done = await run('once', '--root', root);
  t.equal(done.code, 0, done.err);
  t.match(done.out, new RegExp(`Written, not loaded: ${samples.length} of ${samples.length} `));
  t.match(await run('plan', '--root', root), { code: 0, out: /^Nothing to do/ });
});

t.test('two runs on one host do not run at the same time', { skip: rootOnly }, async (t) => {
  const root = image(t);
  const [one, other] = await runAll(['once', '--root', root], ['once', '--root', root]);
  t.same([one?.code, other?.code], [0, 0]);
  t.equal(
    [one, other].filter((ended) => ended?.err.includes('plan: ')).length,
    1,
    'one of them found it done',
  );
});

t.test(
  'every document that was printed above is valid by the JSON Schema',
  { skip: withoutValidator },
  async (t) => {
    const faults = validate(
      outputSchema(),
      printed.map(({ document }) => document),
    );
    for (const [index, { words }] of printed.entries()) t.same(faults[index], [], words.join(' '));
    t.ok(printed.length > (rootOnly ? 5 : 10), `${printed.length} documents`);
  },
);
