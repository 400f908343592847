/**
 * The command lines of `npm run build` and `npm run release`, and of a script that documents name: a wrong one is answered with the usage,
 * before anything is removed or written.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { ARCHITECTURES, type Architecture } from './downloads.ts';

type Options = NonNullable<ParseArgsConfig['options']>;
type Given<T extends Options> = ReturnType<typeof parseArgs<{ options: T; allowPositionals: true }>>;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What `read` makes of the command line; it throws for what is wrong in it. --help ends with 0, and a mistake with 2. */
export const fromArguments = <T extends Options, R>(
  usage: string,
  options: T,
  read: (given: Given<T>) => R,
): R => {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(usage);
    process.exit(0);
  }
  try {
    return read(parseArgs({ args, options, allowPositionals: true }));
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n\n${usage}`);
    process.exit(2);
  }
};

/** `--only`; all of them without it. A name that is none would make a build of nothing. */
export const architecturesOf = (only: string | undefined): readonly Architecture[] => {
  const found = ARCHITECTURES.filter((one) => only === undefined || one === only);
  if (found.length === 0) throw new Error(`--only ${only}: ${ARCHITECTURES.join(' or ')} is expected`);
  return found;
};

/** `--dist`: the build empties this folder first, so it has to be that of a build, or a new one. */
export const distOf = (folder: string): string => {
  const isNew = !existsSync(folder) || readdirSync(folder).length === 0;
  if (isNew || existsSync(join(folder, 'rcm-node.cjs'))) return folder;
  throw new Error(`--dist ${folder}: it holds other files, which a build would remove`);
};
