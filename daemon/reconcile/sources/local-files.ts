/** Source of desired handlers: the files of shims.d. */
import type { Host } from '../../../host/host.ts';
import { canonical, digestOf } from '../../../protocol/digest.ts';
import { paths } from '../../../protocol/host-paths.ts';
import { Failure, type Problem, problemOf, type Where } from '../../../protocol/problem/problem.ts';
import type { Handler } from '../../model/desired.ts';
import { parseShim, placeOfArtifact } from '../../shims/local-file.ts';
import type { Policy } from '../../shims/location.ts';
import { fileFault } from '../../toml/file-fault.ts';
import { oncePerText } from '../../toml/once-per-text.ts';
import { type Claim, keep, type Said } from './claims.ts';

const localIn = oncePerText<{ readonly handler: Handler; readonly place: Where }>();

export const localFiles = async (
  host: Host,
  policy: Policy,
  installed: readonly Handler[],
): Promise<Said> => {
  const kept = keep('local', installed, policy);
  let names: readonly string[] | null;
  try {
    await host.files.trust(paths.shims);
    names = await host.files.names(paths.shims);
  } catch (error) {
    return { claims: kept(), problems: [problemOf(error)], lost: [paths.shims] };
  }
  if (names === null) {
    if (installed.length === 0) return { claims: [], problems: [], lost: [] };
    const problem: Problem = {
      code: 'unreadable-source',
      message: 'the folder is gone; the handlers that are served stay in service',
      where: { file: paths.shims },
      hint: 'Create the folder again; an empty folder removes the handlers.',
    };
    return { claims: kept(), problems: [problem], lost: [paths.shims] };
  }
  const claims: Claim[] = [];
  const problems: Problem[] = [];
  const lost: string[] = [];
  const by = digestOf(canonical(policy));
  for (const name of names.filter(isShimFile)) {
    const file = `${paths.shims}/${name}`;
    try {
      const fact = await host.files.lookTrusted(file);
      if (fact.kind !== 'regular')
        throw new Failure({ code: 'unreadable-source', ...fileFault(fact), where: { file } });
      const made = (await host.files.stat(file))?.modified ?? 0;
      const { text } = fact;
      const read = localIn(`${by}\n${file}\n${text}`, () => ({
        handler: parseShim(text, file, policy),
        place: placeOfArtifact(text, file, policy),
      }));
      claims.push({ ...read, made, source: 'local' });
    } catch (error) {
      problems.push(problemOf(error));
      lost.push(file);
      claims.push(...kept(file));
    }
  }
  return { claims, problems, notes: ignored(names), lost };
};

const isShimFile = (name: string): boolean => name.endsWith('.toml') && !name.startsWith('.');

/** The most names in the message. */
const mostNames = 10;

/** A name in capitals, or with another suffix, may be a mistake. */
const ignored = (names: readonly string[]): readonly Problem[] => {
  const others = names.filter((one) => !isShimFile(one) && !/^\.|^readme/i.test(one));
  if (others.length === 0) return [];
  const more = others.length > mostNames ? ` and ${others.length - mostNames} more` : '';
  return [
    {
      code: 'ignored-file',
      message: `not read, because the name does not end in .toml: ${others.slice(0, mostNames).join(', ')}${more}`,
      where: { file: paths.shims },
    },
  ];
};
