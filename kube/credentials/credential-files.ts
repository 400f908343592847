/**
 * Reads the files that a kubeconfig names, and finds its exec plugin. The service does so as root, so it accepts only what
 * root alone can write (trusted.ts). The controller runs with the rights of the user who named the kubeconfig, and accepts
 * every file.
 */
import { access, constants, readFile } from 'node:fs/promises';
import { join } from 'node:path/posix';
import { Failure } from '../../protocol/problem/problem.ts';
import type { Files } from '../../host/files/files.ts';
import { errnoOf } from '../../host/files/hashing-writer.ts';

export type CredentialFiles = {
  /** Throws Failure `no-identity` for what cannot be read, and `untrusted`. */
  text(path: string): Promise<string>;
  /**
   * How a command is started: a bare name is looked up in `searched` (a PATH), so that what was checked is what runs.
   * Undefined where there is no such program. Throws Failure `untrusted`.
   */
  program(command: string, searched: string): Promise<string | undefined>;
};

const unreadable = (path: string, why: string, cause?: unknown): Failure =>
  new Failure({ code: 'no-identity', message: `it cannot be read: ${why}`, where: { file: path } }, cause);

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

/** Relative folders are skipped: they depend on the current working directory. */
const find = async (command: string, searched: string): Promise<string | undefined> => {
  if (command.includes('/')) return command;
  for (const folder of searched.split(':').filter((one) => one.startsWith('/')))
    if (await isExecutable(join(folder, command))) return join(folder, command);
  return undefined;
};

/** For a process that is root. */
export const rootsAlone = (files: Pick<Files, 'lookTrusted' | 'trust'>): CredentialFiles => ({
  text: async (path) => {
    const fact = await files.lookTrusted(path);
    if (fact.kind === 'regular') return fact.text;
    if (fact.kind === 'absent') throw unreadable(path, 'ENOENT');
    throw unreadable(path, fact.kind === 'foreign' ? `it is ${fact.what}` : fact.why);
  },
  program: async (command, searched) => {
    const path = await find(command, searched);
    if (path !== undefined) await files.trust(path);
    return path;
  },
});

/** For a process that has no more rights than the user who names the files. */
export const asGiven: CredentialFiles = {
  text: async (path) => {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      throw unreadable(path, errnoOf(error), error);
    }
  },
  program: find,
};
