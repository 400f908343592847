/** What each shell itself completes with the text that the program prints for it. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { type CommandName, commands, type OptionRow, rowOf } from '../../../cli/command-table.ts';
import { type Shell, shells } from '../../../cli/completion/shells.ts';

const names = Object.keys(commands) as readonly CommandName[];
const without = (shell: Shell) =>
  spawnSync(shell, ['--version']).error === undefined ? false : `${shell} is not installed`;

/** A folder with something to complete, and in one beside it the text of the shell. */
const stage = (t: Test, shell: Shell): { readonly folder: string; readonly file: string } => {
  const all = t.testdir({ text: { '_rcm-node': shells[shell]() }, work: { place: {}, 'a.toml': '' } });
  return { folder: join(all, 'work'), file: join(all, 'text', '_rcm-node') };
};

const said = (argv: readonly [string, ...string[]], cwd: string): string => {
  const [program, ...words] = argv;
  const { status, stdout, stderr } = spawnSync(program, words, {
    cwd,
    encoding: 'utf8',
    // A shell that waits for a completion that does not come would wait for ever.
    timeout: 120_000,
    env: { PATH: process.env.PATH ?? '', HOME: cwd, TERM: 'dumb', LC_ALL: 'C.UTF-8' },
  });
  if (status !== 0) throw new Error(`${program}: ${status} ${stderr}`);
  return `${stdout}${stderr}`;
};

/** The function of bash as readline calls it. "=" is a word of its own there. */
const byBash = (file: string, cwd: string, words: readonly string[]): readonly string[] =>
  said(
    [
      'bash',
      '--norc',
      '-c',
      `source "$1"; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _rcm_node; printf "%s\\n" "\${COMPREPLY[@]}"`,
      'bash',
      file,
      'rcm-node',
      ...words,
    ],
    cwd,
  )
    .split('\n')
    .filter((line) => line !== '');

const byFish = (file: string, cwd: string, words: readonly string[]): readonly string[] =>
  said(
    [
      'fish',
      '--no-config',
      '-c',
      'source $argv[1]; complete -C "$argv[2]"',
      file,
      `rcm-node ${words.join(' ')}`,
    ],
    cwd,
  )
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [line.split('\t')[0] ?? '']));

for (const [shell, by] of [
  ['bash', byBash],
  ['fish', byFish],
] as const)
  t.test(
    `${shell} completes commands, forms, options and their values`,
    { skip: without(shell) },
    async (t) => {
      const { file, folder } = stage(t, shell);
      const complete = (...words: readonly string[]): readonly string[] => by(file, folder, words).toSorted();
      t.same(complete(''), names.toSorted());
      t.same(complete('ver'), ['verify', 'version']);
      t.same(complete('help', 'tak'), ['takeover']);
      t.same(complete('--json', 'doc'), ['doctor'], 'an option before the command is no command');
      t.same(complete('shim', ''), ['example', 'list', 'mirror']);
      t.same(complete('shim', 'example', 'crun-was'), ['crun-wasmedge', 'crun-wasmtime']);
      t.same(complete('completion', ''), ['bash', 'fish', 'zsh']);
      t.same(complete('completion', 'bash', ''), [], 'nothing stands behind it');
      for (const name of names) {
        const options = complete(name, '--');
        for (const option of Object.keys(rowOf(name).options))
          t.ok(options.includes(`--${option}`), `${name} ${option}`);
        t.equal(options.length, Object.keys(rowOf(name).options).length + 1, `${name}: no other but --help`);
      }
      t.same(
        complete('once', '--root', 'pl').map((one) => one.replace(/\/$/, '')),
        ['place'],
      );
      t.same(
        complete('once', '--root', 'place', 'x'),
        [],
        'the value of an option is no word of the command',
      );
      t.same(complete('shim', 'mirror', 'a.'), ['a.toml']);
      t.same(complete('shim', 'mirror', 'a.toml', 'a.'), ['a.toml'], 'a list goes on');
      t.same(complete('controller', '--listen', ''), [], 'an address cannot be known');
    },
  );

t.test('bash takes "=" between an option and its value', { skip: without('bash') }, async (t) => {
  const { file, folder } = stage(t, 'bash');
  t.same(byBash(file, folder, ['once', '--root', '=', 'pl']), ['place']);
  t.same(byBash(file, folder, ['once', '--root', '=']), ['place']);
});

/**
 * zsh completes in its line editor alone, which needs a terminal: a second zsh behind zpty. Each line is completed by a tab and
 * run, and the function that has the name of the program says what it got. Without insert-tab a tab that comes early is no text.
 */
const script = `zmodload zsh/zpty
folder=$1 load=$2
shift 2
zpty -b inner zsh -f -i
await() { local out; zpty -r -m inner out "*$1*" || exit 9; print -r -- "$out" }
zpty -w inner "PS1= PS2= RPS1=; unsetopt zle_bracketed_paste beep prompt_sp; fpath=(\${(q)folder} \\$fpath)"
zpty -w inner "autoload -Uz compinit; compinit -u -D; zstyle ':completion:*' insert-tab false; $load"
zpty -w inner 'rcm-node() { print -r -- "<""\${(j:|:)@}"">" }; print rea""dy'
await ready >/dev/null
for line; do
  zpty -w -n inner "rcm-node $line"$'\\t\\n'
  await '<*>'
done
zpty -d inner`;

const byZsh = (cwd: string, given: { fpath: string; load: string }, lines: readonly string[]) =>
  said(['zsh', '-f', '-c', script, 'zsh', given.fpath, given.load, ...lines], cwd)
    .split(/\r?\n/)
    .flatMap((line) => /<([^<>]*)>/.exec(line)?.slice(1) ?? []);

t.test('zsh completes commands, forms, options and their values', { skip: without('zsh') }, async (t) => {
  const { file, folder } = stage(t, 'zsh');
  const cases: readonly (readonly [line: string, got: string])[] = [
    ...names.map((name) => [name.slice(0, -1), name] as const),
    ...names.flatMap((name) =>
      Object.values<OptionRow>(rowOf(name).options).flatMap(([shown]) => {
        const long = shown.split(' ')[0] ?? '';
        return [[`${name} ${long.slice(0, -1)}`, `${name}|${long}`] as const];
      }),
    ),
    ['help tak', 'help|takeover'],
    ['shim exa', 'shim|example'],
    ['shim example crun-wasme', 'shim|example|crun-wasmedge'],
    ['shim mirror a.', 'shim|mirror|a.toml'],
    ['shim mirror a.toml a.', 'shim|mirror|a.toml|a.toml'],
    ['completion zs', 'completion|zsh'],
    ['once --root pl', 'once|--root|place'],
    ['once --root=pl', 'once|--root=place'],
    ['once --root place --js', 'once|--root|place|--json'],
    ['controller --listen pl', 'controller|--listen|pl'],
  ];
  const lines = cases.map(([line]) => line);
  t.same(
    byZsh(folder, { fpath: dirname(file), load: '' }, lines),
    cases.map(([, got]) => got),
  );
  const sourced = { fpath: folder, load: `source '${file}'` };
  t.same(byZsh(folder, sourced, ['unin', 'shim exa']), ['uninstall', 'shim|example'], 'as a text for source');
});

t.test('a text that a shell cannot parse fails here', async (t) => {
  for (const shell of Object.keys(shells) as readonly Shell[]) {
    const { file, folder } = stage(t, shell);
    await t.test(shell, { skip: without(shell) }, async (t) => {
      t.equal(said([shell, '-n', file], folder), '');
    });
  }
});
