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

/** Without the tables that were allowed and not taken out: it was refused, and a person has to look at it again. */
export const withdrawn = (ledger: Ledger): Ledger => {
  const { takeover, ...rest } = ledger;
  if (!takeover) return ledger;
  const { done, remnants, failed = [] } = takeover;
  const isEmpty = done.length + remnants.length + failed.length === 0;
  return isEmpty ? rest : { ...rest, takeover: { ...takeover, tables: [], unused: false } };
};

/**
 * The same after a failed proof of a plan, which would have made the ledger `planned`. What it took out, the setting `takeover`
 * does not allow again: each try is two restarts.
 */
export const disproven = (ledger: Ledger, planned: Ledger | undefined): Ledger => {
  const { takeover } = ledger;
  const waiting = planned?.takeover?.tables.map(({ digest }) => digest) ?? [];
  const tried = takeover?.tables.flatMap(({ digest }) => (waiting.includes(digest) ? [] : [digest])) ?? [];
  if (!takeover || tried.length === 0) return withdrawn(ledger);
  const failed = [...(takeover.failed ?? []), ...tried];
  return withdrawn({ ...ledger, takeover: { ...takeover, failed: [...new Set(failed)] } });
};

/** A person asks for a retry. */
export const retried = ({ takeover, ...rest }: Ledger): Ledger => {
  if (!takeover) return rest;
  const { failed: _failed, ...others } = takeover;
  return { ...rest, takeover: others };
};
