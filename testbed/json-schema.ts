/**
 * Holds values against a JSON Schema by a validator that is not ours: jsonschema of Python, Debian's python3-jsonschema. One process
 * for all of them.
 */
import { spawnSync } from 'node:child_process';

const script = `
import json, sys
from jsonschema import Draft202012Validator
given = json.load(sys.stdin)
Draft202012Validator.check_schema(given["schema"])
judge = Draft202012Validator(given["schema"])
print(json.dumps([["/".join(map(str, e.absolute_path)) + ": " + e.message[:400] for e in judge.iter_errors(v)] for v in given["values"]]))
`;

/** Another Python may come first in the path, without what Debian has for its own. */
const python = ['python3', '/usr/bin/python3'].find(
  (one) => spawnSync(one, ['-c', 'from jsonschema import Draft202012Validator']).status === 0,
);

/** Why nothing can be validated here; false: it can. */
export const withoutValidator: string | false =
  python === undefined ? 'jsonschema 4 of Python is not installed' : false;

/** The faults of each value. */
export const validate = (schema: object, values: readonly unknown[]): readonly (readonly string[])[] => {
  const { status, stdout, stderr } = spawnSync(python ?? 'python3', ['-c', script], {
    input: JSON.stringify({ schema, values }),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`the schema cannot be used: ${stderr}`);
  return JSON.parse(stdout) as readonly (readonly string[])[];
};
