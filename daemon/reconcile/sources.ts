/**
 * Where intent comes from. Local files now; a further source is a further function of this shape. A file or folder that
 * cannot be read or understood keeps its last answer, which the ledger knows: empty is not delete.
 */
import { paths } from '../decide/paths.ts';
import type { Host } from '../host/host.ts';
import type { Desired, Handler } from '../model/desired.ts';
import type { Ledger } from '../model/ledger.ts';
import { Failure, type Problem, problemOf } from '../model/problem.ts';
import { parseShim } from '../model/shim.ts';
import type { Policy } from '../model/shim-artifact.ts';

type Claim = { readonly handler: Handler; readonly modified: number };

export const gather = async (host: Host, policy: Policy, ledger: Ledger): Promise<Desired> => {
  const installed = Object.values(ledger.handlers).map((one) => one.handler);
  let names: readonly string[] | null;
  try {
    names = await host.files.names(paths.shims);
  } catch (error) {
    return { handlers: installed, problems: [problemOf(error)], lost: [paths.shims] };
  }
  if (names === null) {
    if (installed.length === 0) return { handlers: [], problems: [], lost: [] };
    const problem: Problem = {
      code: 'unreadable-source',
      message: 'the folder is gone; what is served stays served',
      where: { file: paths.shims },
      hint: 'Make the folder again; an empty folder removes the handlers.',
    };
    return { handlers: installed, problems: [problem], lost: [paths.shims] };
  }
  const claims: Claim[] = [];
  const problems: Problem[] = [];
  const lost: string[] = [];
  for (const name of names.filter((one) => one.endsWith('.toml') && !one.startsWith('.'))) {
    const file = `${paths.shims}/${name}`;
    try {
      const fact = await host.files.look(file);
      if (fact.kind !== 'regular')
        throw new Failure({
          code: 'unreadable-source',
          message:
            fact.kind === 'absent'
              ? 'the file vanished while it was read'
              : fact.kind === 'foreign'
                ? `it is ${fact.what}`
                : fact.why,
          where: { file },
        });
      const modified = (await host.files.stat(file))?.modified ?? 0;
      claims.push({ handler: parseShim(fact.text, file, policy), modified });
    } catch (error) {
      problems.push(problemOf(error));
      lost.push(file);
      for (const handler of installed) if (handler.where.file === file) claims.push({ handler, modified: 0 });
    }
  }
  return { handlers: settle(claims, ledger, problems), problems, lost };
};

/** Two claims on one handler: the one in force keeps it; where neither is, the older file. */
const settle = (claims: readonly Claim[], ledger: Ledger, problems: Problem[]): readonly Handler[] => {
  const rank = ({ handler, modified }: Claim): number =>
    ledger.handlers[handler.name]?.handler.where.file === handler.where.file
      ? Number.NEGATIVE_INFINITY
      : modified;
  const winners = new Map<string, Handler>();
  for (const claim of [...claims].sort((a, b) => rank(a) - rank(b))) {
    const { handler } = claim;
    const holder = winners.get(handler.name);
    if (!holder) winners.set(handler.name, handler);
    else
      problems.push({
        code: 'handler-claimed',
        message: `the handler "${handler.name}" is claimed by ${holder.where.file} already, which keeps it`,
        where: handler.where,
        handler: handler.name,
      });
  }
  return [...winners.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
};
