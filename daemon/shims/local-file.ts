/** One file of shims.d: TOML in, a `Handler` or a Problem with file, line and column out. */
import type { Handler } from '../model/desired.ts';
import type { Where } from '../../protocol/problem/problem.ts';
import { at, type Cursor, fail, rootOf, table, whereOf } from '../toml/cursor.ts';
import { artifactAt } from './artifact.ts';
import type { Policy } from './location.ts';
import { fieldKeys, handlerOf } from './fields.ts';
import { parseToml } from '../toml/toml.ts';

/** Throws a Failure for the first thing that is wrong. */
export const parseShim = (text: string, file: string, policy: Policy): Handler => {
  const root = rootOf(parseToml(text, file), file, text);
  table(root, ['name', ...fieldKeys]);
  refuseNoRestart(at(at(root, 'rolloutStrategy'), 'scope'));
  return { ...handlerOf(root, at(root, 'name'), policy), where: { file, line: 1 } };
};

/** The strategy has no effect in a file. This one would be a promise that nothing keeps: a file may restart the runtime. */
const refuseNoRestart = (scope: Cursor): void => {
  if (scope.value === 'no-restart')
    fail(
      scope,
      '"rolloutStrategy.scope" is "no-restart", which only a Shim of the cluster can have',
      'bad-value',
      'Take it out. The file restarts no runtime if its handler is prepared with the same options and annotations ([runtime] prepare in /etc/rcm-node/config.toml); rcm-node plan says whether it does.',
    );
};

/** Where a file that `parseShim` takes says which digest is expected; without one, where its location is. */
export const placeOfArtifact = (text: string, file: string, { machine }: Policy): Where => {
  const row = artifactAt(at(rootOf(parseToml(text, file), file, text), 'fetchStrategy'), machine);
  const sum = at(row, 'sha256');
  const named = at(row, 'image').value === undefined ? at(row, 'location') : at(row, 'image');
  return whereOf(sum.value === undefined ? named : sum);
};
