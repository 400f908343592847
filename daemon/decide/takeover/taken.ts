/** The ledger after tables of predecessors were taken out: what is allowed only once, and what an uninstall has to say. */
import type { Ledger } from '../../model/ledger.ts';
import type { Replaceable } from '../../runtimes/predecessors/replace.ts';

/** It is told once, however often the predecessor writes it again. */
const isOf =
  ({ file, handler, from }: NonNullable<Ledger['takeover']>['done'][number]) =>
  (one: Replaceable): boolean =>
    one.file === file && one.part.handler === handler && one.part.predecessor.name === from;

export const withTaken = (
  takeover: Ledger['takeover'],
  taken: readonly Replaceable[] = [],
): Pick<Ledger, 'takeover'> => {
  if (!takeover || taken.length === 0) return takeover ? { takeover } : {};
  const isTaken = (file: string, digest: string): boolean =>
    taken.some((one) => one.file === file && one.part.digest === digest);
  return {
    takeover: {
      ...takeover,
      tables: takeover.tables.filter(({ file, digest }) => !isTaken(file, digest)),
      done: [
        ...takeover.done.filter((one) => !taken.some(isOf(one))),
        ...taken.map(({ file, part }) => ({ file, handler: part.handler, from: part.predecessor.name })),
      ],
    },
  };
};

/** Without the tables that were allowed and not taken out: it failed, and a person has to look at it again. */
export const withdrawn = (ledger: Ledger): Ledger => {
  const { takeover, ...rest } = ledger;
  if (!takeover) return ledger;
  const isEmpty = takeover.done.length === 0 && takeover.remnants.length === 0;
  return isEmpty ? rest : { ...rest, takeover: { ...takeover, tables: [], unused: false } };
};
