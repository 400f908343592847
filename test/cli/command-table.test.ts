import t from 'tap';
import { type CommandName, commands, isCommand, options, rowOf } from '../../cli/command-table.ts';
import { work } from '../../cli/commands.ts';

const names = Object.keys(commands) as CommandName[];

t.test('every command has code that runs it, and options that exist', async (t) => {
  const elsewhere = ['status', 'shim', 'completion', 'bootstrap', 'controller', 'version', 'help'];
  t.same(names.filter((name) => !elsewhere.includes(name)).toSorted(), Object.keys(work).toSorted());
  for (const name of names)
    for (const [option, [shown]] of Object.entries(rowOf(name).options)) {
      t.ok(Object.hasOwn(options, option), `${name} ${option}`);
      t.match(shown, `--${option}`);
    }
  t.notOk(isCommand('toString'));
});
