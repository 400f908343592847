/** The man pages as mandoc judges and prints them. */
import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import t from 'tap';
import { type CommandName, commands, type OptionRow, rowOf } from '../../../cli/command-table.ts';
import { argument, mdoc, paragraphs, prose } from '../../../packaging/documents/mdoc.ts';
import { settingRows } from '../../../packaging/documents/settings-table.ts';
import { sharedFiles } from '../../../packaging/documents/share.ts';
import { fieldKeys } from '../../../daemon/shims/fields.ts';

const day = new Date('2026-01-02T03:04:05Z');
const files = sharedFiles(day);
const pages = Object.entries(files).filter(([path]) => path.startsWith('man/'));
const without = spawnSync('mandoc', ['-h']).error === undefined ? false : 'mandoc is not installed';

const mandoc = (words: readonly string[], input: string): string => {
  const { stdout, stderr } = spawnSync('mandoc', words, { input, encoding: 'utf8' });
  return `${stdout}${stderr}`;
};
/** A letter, and a backspace to strike it twice: how a terminal shows bold. */
const twice = new RegExp(`.${String.fromCharCode(8)}`, 'gu');

/** As a reader sees it, in one line. */
const shown = (text: string): string =>
  mandoc(['-Tutf8', '-Owidth=200'], text).replace(twice, '').replaceAll('‐', '-').replace(/\s+/g, ' ');
const textOf = (name: string): string => pages.find(([path]) => basename(path) === name)?.[1] ?? '';

t.test('mandoc has nothing to say about a page', { skip: without }, async (t) => {
  t.same(
    pages.map(([path]) => path),
    ['man/man8/rcm-node.8', 'man/man5/rcm-node.toml.5', 'man/man5/shims.d.5'],
  );
  const own = pages.map(([path]) => basename(path).replace(/\.(\d)$/, ' $1'));
  for (const [path, text] of pages) {
    // It looks among the pages that are installed. Those of ours are not, and must be in this list.
    const said = mandoc(['-Tlint'], text)
      .split('\n')
      .filter((line) => !own.includes(/referenced manual not found: Xr (.+)$/.exec(line)?.[1] ?? ''));
    t.same(said, [''], path);
  }
  t.match(
    mandoc(['-Tlint'], textOf('rcm-node.8').replace('.Sh FILES', '.Sh\n.Xx')),
    /ERROR|WARNING/,
    'it would',
  );
});

t.test('rcm-node(8) has each command with its options and exit codes', { skip: without }, async (t) => {
  const text = shown(textOf('rcm-node.8'));
  for (const name of Object.keys(commands) as CommandName[]) {
    t.match(text, `rcm-node ${name}`);
    for (const [option] of Object.values<OptionRow>(rowOf(name).options)) t.match(text, ` ${option} `);
  }
  t.match(text, 'rcm-node shim mirror FILE ... [--to TARGET]');
  t.match(text, 'EXIT STATUS 0 Nothing is wrong');
});

t.test(
  'rcm-node.toml(5) has each setting, and shims.d(5) each field and the sample',
  { skip: without },
  async (t) => {
    const settings = shown(textOf('rcm-node.toml.5'));
    for (const { table, isList, keys } of settingRows)
      for (const key of keys)
        t.match(settings, ` ${table === undefined ? '' : isList ? `[[${table}]] ` : `[${table}] `}${key} (`);
    t.match(settings, ' [[signatures]] trustRoot (string) The path of a trusted_root.json of Sigstore');
    t.match(settings, ' interval (integer from 5 to 86400) Seconds between ticks. Default: 60. ');
    t.match(settings, ' [runtime] prepare (list of strings or tables) ');
    t.match(
      settings,
      ' PREPARED HANDLERS A new handler restarts the runtime',
      'what a setting names is there',
    );
    t.match(settings, '[runtime] prepare = [ { handler = "spin-v2",');
    t.match(settings, ' THE RESTART BUDGET ');
    t.match(settings, ' the one of the distribution (docs/distributions.md);');
    const shims = shown(textOf('shims.d.5'));
    const noEffect = ['nodeSelector', 'rolloutStrategy'];
    for (const key of ['name', ...fieldKeys])
      t.equal(shims.includes(` ${key} (`), !noEffect.includes(key), key);
    t.notMatch(shims, 'tolerations', 'what has no effect in a file is not shown');
    t.match(shims, '[[fetchStrategy.platforms]] os = "linux" arch = "amd64"', 'the sample');
  },
);

t.test('what mdoc would read as its own is text', async (t) => {
  t.equal(argument('Fl'), '\\&Fl');
  t.equal(argument('[[mirrors]] x'), '"[[mirrors]] x"');
  t.equal(argument('say "x"'), '"say \\(dqx\\(dq"');
  t.equal(prose('a `-x \\n` b. [See it](#x)!'), 'a \\fB\\-x \\en\\fP b.\nSee it!');
  t.equal(
    prose('see [`x`](y.md#z), [w](https://w.md)'),
    'see \\fBx\\fP (\\fBdocs/y.md\\fP), w',
    'where it leads',
  );
  t.same(paragraphs('```toml\na = 1     # b\n.c\n```'), ['.Bd -literal\na = 1  # b\n\\&.c\n.Ed']);
  t.match(prose('.toml files'), /^\\&\.toml/);
  t.same(paragraphs('# H\n\none\n\n| a |\n\n- x\n- y'), ['one', '.Bl -bullet\n.It\nx\n.It\ny\n.El']);
  const page = { name: 'x', section: 5, about: 'y', sections: [] } as const;
  t.equal(mdoc(page, day), '.Dd January 2, 2026\n.Dt X 5\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n');
});
