/** Debian's cosign 2.5.0, run where it was unpacked. */
import { join } from 'node:path';
import { prepareImage } from '../artifacts/images.ts';
import { type Progress, run } from '../machine/command.ts';

export type Cosign = {
  /** In the folder; the password of keys is empty. */
  readonly run: (words: readonly string[], env?: Readonly<Record<string, string>>) => Promise<string>;
};

export const cosignProgram = async (progress: Progress): Promise<string> =>
  join(await prepareImage('trixie', 'cosign', progress), 'usr/bin/cosign');

export const cosignIn = async (folder: string, progress: Progress): Promise<Cosign> => {
  const program = await cosignProgram(progress);
  return {
    run: (words, env = {}) =>
      run([program, ...words], { cwd: folder, env: { COSIGN_PASSWORD: '', COSIGN_YES: 'true', ...env } }),
  };
};
