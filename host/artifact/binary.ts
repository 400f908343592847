/**
 * Whether a program can run on this node: first by reading it (machine, loader, libraries, found as the loader does),
 * which also works for another root; then by running it, which is the proof.
 */
import { basename } from 'node:path';
import type { Elf } from './elf.ts';
import { detailOf, Failure } from '../../protocol/problem/problem.ts';
import { resolveIn } from '../files/root-path.ts';
import { mustFind, firstLine, type Program, readElf } from './loader.ts';
import type { RunResult, Tools } from '../exec.ts';

export type BinaryCheck = Program & {
  /** Arguments that make it print its version and end, like `-v`. */
  readonly probe: readonly string[];
  /** Why what it prints then speaks against it; undefined if it does not. */
  readonly lackOf?: (version: string) => string | undefined;
  /** False when another root is prepared, whose programs need not run here. */
  readonly run: boolean;
};

const PROBE_DEADLINE_MS = 10_000;
/** The limit for the output of a version or usage text. */
const PROBE_OUTPUT_BYTES = 64 * 1024;
const checkElf = (check: BinaryCheck, path: string): Elf | null => {
  const { elf } = readElf(path);
  if (elf === null) return null;
  if (elf.machine === check.machine && elf.bits === 64) return elf;
  const built = elf.bits === 64 ? elf.machine : `${elf.bits} bits of ${elf.machine}`;
  const message = `${basename(path)} is built for ${built}, this node is ${check.machine}`;
  throw new Failure({ code: 'wrong-machine', message });
};

/** The interpreter of `#!`, for a message: ENOENT for a script nearly always means that it is missing. */
const interpreterOf = (path: string): string | undefined => {
  const { elf, head } = readElf(path);
  return elf?.interpreter ?? /^#!\s*(?<program>\S+)/.exec(head)?.groups?.program;
};

const whyNotStarted = (path: string, errno: string): string => {
  if (errno === 'ENOENT') {
    return `its interpreter ${interpreterOf(path) ?? ''} is not on this node`.replace('  ', ' ');
  }
  if (errno === 'EACCES') return 'it may not be executed (EACCES): a noexec mount, or SELinux';
  return `it cannot be started: ${errno}`;
};

/** Checks a script in another root, where nothing is run: its interpreter is all that can be checked. */
const mustHaveInterpreter = ({ path, root }: BinaryCheck): void => {
  const { elf } = readElf(path);
  const program = elf === null ? interpreterOf(path) : undefined;
  if (program === undefined || resolveIn(root, program) !== undefined) return;
  const message = `${basename(path)} does not run: its interpreter ${firstLine(program)} is not on this node`;
  throw new Failure({ code: 'will-not-run', message, where: { file: path } });
};

const judgeRun = ({ path, lackOf }: BinaryCheck, result: RunResult): string => {
  const fail = (why: string, stderr = ''): never => {
    const message = `${basename(path)} does not run: ${why}`;
    const detail = detailOf({ detail: firstLine(stderr) });
    throw new Failure({ code: 'will-not-run', message, ...detail });
  };
  if (result.kind === 'not-started') return fail(whyNotStarted(path, result.errno));
  if (result.timedOut) return fail('it did not end in time', result.stderr);
  if (result.signal !== null) return fail(`it was ended by ${result.signal}`, result.stderr);
  if (result.code !== 0) return fail(`it exited with ${result.code}`, result.stderr);
  const lack = lackOf?.(result.stdout);
  if (lack !== undefined) return fail(lack);
  return firstLine(result.stdout) || firstLine(result.stderr);
};

/**
 * Throws Failure `wrong-machine`, `missing-library` (with the first names), `will-not-run` (with the first line of what
 * the program said) or `bad-archive` (a damaged file). `version` is the first line it printed, at most 200
 * characters without control characters; empty when it was not run or said nothing.
 */
export const checkBinary = async (
  check: BinaryCheck,
  tools: Tools,
): Promise<{ readonly version: string }> => {
  try {
    for (const library of check.libraries) checkElf(check, library);
    const elf = checkElf(check, check.path);
    if (elf !== null) mustFind(check, elf);
    if (elf === null && !readElf(check.path).head.startsWith('#!')) {
      const message = `${basename(check.path)} is neither a program nor a script`;
      throw new Failure({ code: 'will-not-run', message });
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    const message = `${basename(check.path)} cannot be read: ${error instanceof Error ? error.message : error}`;
    throw new Failure({ code: 'will-not-run', message }, error);
  }
  if (!check.run) {
    mustHaveInterpreter(check);
    return { version: '' };
  }
  const result = await tools.run([check.path, ...check.probe], {
    deadlineMs: PROBE_DEADLINE_MS,
    maxOutputBytes: PROBE_OUTPUT_BYTES,
    ...(check.env === undefined ? {} : { env: check.env }),
  });
  return { version: judgeRun(check, result) };
};
