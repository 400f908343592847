/** The reasons for a plan, for people. */
import type { Observed } from '../observed.ts';
import type { Change } from '../change.ts';
import type { Selection, Wanted } from '../handlers/selection.ts';
import { additionsIn } from '../../runtimes/additions.ts';
import type { Wiring } from '../../runtimes/runtime.ts';
import { runtimeOfFile } from '../../runtimes/table.ts';

export const reasons = (
  before: Observed,
  asked: Selection,
  change: Pick<Change, 'tables' | 'files' | 'restart'> & {
    readonly wiring?: Pick<Wiring, 'beside' | 'taken'>;
  },
  held: boolean,
): readonly string[] => {
  const list: string[] = [];
  if (asked.artifacts.length > 0) list.push('artifacts are missing from the store');
  if (held) return list;
  const { handlers, prepared = {} } = before.ledger;
  const known = new Set(Object.keys(handlers));
  const names = (which: (one: Wanted) => boolean): readonly string[] =>
    asked.wanted.filter(which).map((one) => one.name);
  const added = names((one) => !known.has(one.name) && !one.prepared);
  const rows = names((one) => one.prepared !== undefined && !known.has(one.name) && !(one.name in prepared));
  const alone = names((one) => one.prepared !== undefined && known.has(one.name));
  const gone = [...known].filter((name) => !change.tables.has(name));
  if (added.length > 0) list.push(`new: ${added.join(', ')}`);
  if (gone.length > 0) list.push(`no longer asked for: ${gone.join(', ')}`);
  if (rows.length > 0) list.push(`prepared for later: ${rows.join(', ')}`);
  if (alone.length > 0) list.push(`no longer asked for, and prepared still: ${alone.join(', ')}`);
  if (change.wiring?.beside) list.push(change.wiring.beside);
  for (const { file, part } of change.wiring?.taken?.tables ?? [])
    list.push(
      `"${part.handler}" ${change.tables.has(part.handler) ? 'is taken over' : 'goes, which no Shim asks for and no Pod uses'}: ${part.predecessor.name} wrote it in ${file}`,
    );
  for (const file of change.files) {
    const owned = before.ledger.files[file.path];
    const fact = before.files[file.path];
    if (owned && fact?.kind !== 'regular') list.push(`${file.path} was removed by another program`);
    else if (owned && fact?.kind === 'regular' && fact.digest !== owned.digest)
      list.push(`${file.path} was changed by another program`);
    const row = runtimeOfFile(file.path);
    const lost = fact?.kind === 'regular' && row.dropIn.mayBe(file.path) ? additionsIn(row, fact.text) : [];
    if (lost.length > 0)
      list.push(
        `what others added to ${file.path} is removed, because rcm-node writes that file as a whole: ${lost.join(', ')}`,
      );
  }
  if (change.restart && change.files.length === 0)
    list.push('the runtime does not serve the handlers of its configuration');
  return list;
};
