/** One file of shims.d: TOML in, a `Handler` or a Problem with file, line and column out. */
import type { Handler } from '../model/desired.ts';
import type { Where } from '../../protocol/problem/problem.ts';
import { at, rootOf, table, whereOf } from '../toml/cursor.ts';
import { artifactAt } from './artifact.ts';
import type { Policy } from './location.ts';
import { fieldKeys, handlerOf } from './fields.ts';
import { parseToml } from '../toml/toml.ts';

/** Throws a Failure for the first thing that is wrong. */
export const parseShim = (text: string, file: string, policy: Policy): Handler => {
  const root = rootOf(parseToml(text, file), file, text);
  table(root, ['name', ...fieldKeys]);
  return { ...handlerOf(root, at(root, 'name'), policy), where: { file, line: 1 } };
};

/** Where a file that `parseShim` takes says which digest is expected; without one, where its location is. */
export const placeOfArtifact = (text: string, file: string, { machine }: Policy): Where => {
  const row = artifactAt(at(rootOf(parseToml(text, file), file, text), 'fetchStrategy'), machine);
  const sum = at(row, 'sha256');
  const named = at(row, 'image').value === undefined ? at(row, 'location') : at(row, 'image');
  return whereOf(sum.value === undefined ? named : sum);
};
