/**
 * V8's compiled code inside a single executable, the same bytes for the same source.
 *
 * Compiled code lists strings in the order of their hashes, and V8 seeds those anew in every process. With
 * `--hash-seed` the order is fixed, but the flag goes into the hash of flags that V8 compares before it trusts the
 * code, and the program must not run with a known seed (hash flooding). So: compile with a fixed seed, then put in
 * the hash of flags of a process as the executable starts it. Loading does not depend on the seed: it differs at every start anyway.
 */

import { execFileSync } from 'node:child_process';

export const FIXED_SEED = '--hash-seed=1';

/** Byte range of the hash of flags in V8's header, after magic number, version and length of the source. */
const FLAGS_START = 12;
const FLAGS_END = 16;

/** Whether a process with `flags` takes what was compiled without any, as the code is that Node brings of its own. */
export const keepsCode = (flags: readonly string[]): boolean => header(flags).equals(header([]));

/** The first bytes of what this Node compiles when started with `flags`. */
function header(flags: readonly string[]): Buffer {
  const program =
    "process.stdout.write(new vm.Script('0').createCachedData().subarray(0, 16).toString('hex'))";
  return Buffer.from(
    execFileSync(process.execPath, [...flags, '-e', program], { encoding: 'latin1' }),
    'hex',
  );
}

/**
 * `executable`, built with FIXED_SEED by this Node, as though built by a process with the `flags` that it starts with. Throws when
 * that cannot be told.
 */
export function forAnySeed(executable: Buffer, flags: readonly string[]): Buffer {
  const seeded = header([FIXED_SEED]);
  const plain = header(flags);
  const places: number[] = [];
  for (
    let at = executable.indexOf(seeded.subarray(0, 8));
    at !== -1;
    at = executable.indexOf(seeded.subarray(0, 8), at + 1)
  ) {
    const hash = executable.subarray(at + FLAGS_START, at + FLAGS_END);
    if (hash.equals(seeded.subarray(FLAGS_START, FLAGS_END))) places.push(at + FLAGS_START);
  }
  const place = places[0];
  if (place === undefined || places.length > 1)
    throw new Error(`compiled code found in ${places.length} places, not in one`);
  const edited = Buffer.from(executable);
  plain.copy(edited, place, FLAGS_START, FLAGS_END);
  return edited;
}
