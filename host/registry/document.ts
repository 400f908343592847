/**
 * What registries say in JSON, as a value. Four megabytes of brackets become two hundred of objects, and a list of referrers has no digest
 * that would vouch for it: so the number of values has a limit, besides that of the bytes.
 */
import { parseJson } from '../../protocol/json.ts';
import { Failure } from '../../protocol/problem/problem.ts';

/** An index or a manifest has 1000 descriptors at most (manifest.ts), with some ten values each. */
const maxValues = 100_000;

/** Each but the first follows one of these. In a text they count as well. */
const [comma, bracket, brace] = [0x2c, 0x5b, 0x7b];

/** Undefined for what is no JSON. Throws `bad-archive` for too much of it. */
export const parseDocument = (bytes: Uint8Array): unknown => {
  let values = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === comma || byte === bracket || byte === brace) values += 1;
  }
  if (values > maxValues)
    throw new Failure({
      code: 'bad-archive',
      message: `the registry sent a description with more than ${maxValues} values`,
      hint: 'No image or artifact needs as many: push it again with a current tool (oras, docker buildx, skopeo).',
    });
  return parseJson(new TextDecoder().decode(bytes));
};
