import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  type CommandName,
  commands,
  exitMeanings,
  isCommand,
  options,
  rowOf,
} from '../../cli/command-table.ts';
import { work } from '../../cli/commands.ts';
import { exitCodes } from '../../daemon/model/outcome.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/commands.md'), 'utf8');
const names = Object.keys(commands) as CommandName[];

t.test('docs/commands.md has the exit codes of the table, and no others', async (t) => {
  const rows = [...text.matchAll(/^\| (\d) \| (\w+) \| (.+) \|$/gm)].map(([, code, name, meaning]) => [
    code,
    name,
    meaning,
  ]);
  t.same(
    rows,
    (Object.keys(exitMeanings) as (keyof typeof exitMeanings)[]).map((name) => [
      String(exitCodes[name]),
      name,
      exitMeanings[name],
    ]),
  );
});

t.test(
  'docs/commands.md has each command with its summary, its need of root and its exit codes',
  async (t) => {
    const rows = [...text.matchAll(/^\| `([\w-]+)[^`]*` \| (.+) \| (.+) \| ([\d, ]+) \|$/gm)].map((row) =>
      row.slice(1),
    );
    t.same(
      rows,
      names.map((name) => {
        const { summary, root, exits } = rowOf(name);
        const need =
          root === undefined ? 'not needed' : root === 'change' ? 'changes the host' : 'only reads';
        return [name, summary, need, exits.map((exit) => exitCodes[exit]).join(', ')];
      }),
    );
  },
);

t.test('every command is performed somewhere, and has options that exist', async (t) => {
  const elsewhere = ['status', 'bootstrap', 'controller', 'version', 'help'];
  t.same(names.filter((name) => !elsewhere.includes(name)).toSorted(), Object.keys(work).toSorted());
  for (const name of names)
    for (const [option, [shown]] of Object.entries(rowOf(name).options)) {
      t.ok(Object.hasOwn(options, option), `${name} ${option}`);
      t.match(shown, `--${option}`);
    }
  t.notOk(isCommand('toString'));
});
