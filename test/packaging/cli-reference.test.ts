import { readFileSync } from 'node:fs';
import t from 'tap';
import { type CommandName, commands, rowOf } from '../../cli/command-table.ts';
import { begin, document, end, generated, render } from '../../packaging/cli-reference.ts';

t.test('docs/cli.md is equal to the table of commands', async (t) => {
  const text = readFileSync(document, 'utf8');
  t.equal(text, render(text), 'stale: run `npx node packaging/cli-reference.ts`');
});

t.test('each command has a section with its options, and text outside of the markers stays', async (t) => {
  const text = generated();
  for (const name of Object.keys(commands) as CommandName[]) {
    t.match(text, new RegExp(`^### rcm-node ${name}\\b`, 'm'));
    for (const [shown] of Object.values(rowOf(name).options)) t.ok(text.includes(`| \`${shown}\` |`), shown);
  }
  t.equal(render(`before\n${begin}\nold\n${end}\nafter\n`), `before\n${text}\nafter\n`);
  t.throws(() => render('no marks'), /lost its two marks/);
});
