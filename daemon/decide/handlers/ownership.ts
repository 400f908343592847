/** Why a handler must not be ours: another program owns its name, or the path of its program. */
import type { Prepared } from '../../model/desired.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import type { Baseline } from '../baseline.ts';

export const ownershipConflict = (
  { target, before }: Baseline,
  handler: Prepared,
  path: string,
): Problem | undefined => {
  const { name } = handler;
  const owner = target.ownerOf(name);
  if (owner) {
    const hint = target.hintOfOwner?.(name);
    return {
      code: 'owned-by-another',
      message: `the handler "${name}" is defined here already`,
      where: owner,
      handler: name,
      ...(hint === undefined ? {} : { hint }),
    };
  }
  const unlike = target.unlike?.(name, target.tableOf(handler, path));
  if (unlike) return unlike;
  const link = before.links[path];
  if (link?.foreign === undefined) return undefined;
  return {
    code: 'not-ours',
    message: `${path} is ${link.foreign}, which rcm-node did not put there`,
    where: { file: path },
    handler: name,
  };
};
