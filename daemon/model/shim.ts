/** One file of shims.d: TOML in, a `Handler` or a Problem with file, line and column out. */
import type { Handler } from './desired.ts';
import { at, type Cursor, table } from './shape.ts';
import type { Policy } from './shim-artifact.ts';
import { fieldKeys, handlerOf } from './shim-fields.ts';
import { parseToml } from './toml.ts';

/** Throws a Failure for the first thing that is wrong. */
export const parseShim = (text: string, file: string, policy: Policy): Handler => {
  const root: Cursor = { file, text, path: [], value: parseToml(text, file), code: 'bad-value' };
  table(root, ['name', ...fieldKeys]);
  return { ...handlerOf(root, at(root, 'name'), policy), where: { file, line: 1 } };
};
