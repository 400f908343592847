/** The SELinux label of a file: by it the policy decides which service may run a program. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Files } from './files.ts';

/** selinuxfs has it where SELinux is on. */
const on = '/sys/fs/selinux/enforce';

/** Gives a file the label of another one; does nothing where SELinux is off, or that one is not there. Throws `attribute-lost`. */
export const labelLike = async (files: Files, path: string, like: string): Promise<void> => {
  if (!(await files.stat(on)) || !(await files.stat(like))) return;
  const { giveLabel, labelAt } = await import('./attributes.ts');
  await using from = await open(files.real(like), constants.O_RDONLY | constants.O_NONBLOCK);
  const label = labelAt(like, from.fd);
  if (label === undefined) return;
  await using to = await open(
    files.real(path),
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  );
  giveLabel(path, to.fd, label);
};
