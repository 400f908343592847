/**
 * Extended attributes of open files. To the kernel an ACL, a security label and a user's attribute are all of this kind,
 * and a file that replaces another one must have them too.
 *
 * Node has no call for them, and no program that can read them is on every host: so libc is called.
 */
import { existsSync } from 'node:fs';
import { Failure } from '../../protocol/problem/problem.ts';
import { lastError, libc } from '../libc.ts';

/** By name, as latin1: a name is bytes. */
export type Attributes = ReadonlyMap<string, Buffer>;

/** The kernel's limit for one value, and for the list of names: XATTR_SIZE_MAX, XATTR_LIST_MAX in linux/limits.h. */
const maxBytes = 65_536;

const cString = (name: string): Buffer => Buffer.from(`${name}\0`, 'latin1');

const nameFor = (name: string): string =>
  name === 'system.posix_acl_access' ? 'ACL' : `extended attribute ${name}`;

const lost = (path: string, name: string, why: string): Failure =>
  new Failure({
    code: 'attribute-lost',
    message: `the file has an ${nameFor(name)}, and it cannot be kept: ${why}`,
    where: { file: path },
  });

const unreadable = (path: string, why: string): Failure =>
  new Failure({
    code: 'attribute-lost',
    message: `the extended attributes of the file cannot be read: ${why}`,
    where: { file: path },
  });

/** All that this process may see: the kernel shows attributes `trusted.*` to a process with CAP_SYS_ADMIN alone. */
export const attributesOf = (path: string, fd: number): Attributes => {
  const bytes = Buffer.allocUnsafeSlow(maxBytes);
  const listed = Number(libc.flistxattr(fd, bytes, BigInt(maxBytes)));
  if (listed < 0) {
    const why = lastError();
    // A file system without attributes.
    if (why === 'ENOTSUP' || why === 'EOPNOTSUPP') return new Map();
    throw unreadable(path, why);
  }
  const names = bytes.toString('latin1', 0, listed).split('\0').filter(Boolean).sort();
  return new Map(
    names.map((name) => {
      const size = Number(libc.fgetxattr(fd, cString(name), bytes, BigInt(maxBytes)));
      if (size < 0) throw unreadable(path, lastError());
      return [name, Buffer.from(bytes.subarray(0, size))];
    }),
  );
};

/** The kernel computes them from the file; a copy would be wrong for other bytes. */
const isComputed = (name: string): boolean => ['security.evm', 'security.ima'].includes(name);

/**
 * A label from a time when SELinux was on: without it the label means nothing, and only CAP_SYS_ADMIN may write it
 * (capabilities(7)). To refuse because of it would stop every edit on a host where SELinux was switched off.
 */
const isStale = (name: string): boolean =>
  name === 'security.selinux' && !existsSync('/sys/fs/selinux/enforce');

/**
 * Gives a new file these and no others: an ACL inherited from its folder would give access to users whom the former
 * file refused. A label that a security module set on the new file stays if the former file had none.
 */
export const giveAttributes = (path: string, fd: number, wanted: Attributes): void => {
  const had = attributesOf(path, fd);
  for (const name of had.keys())
    if (!wanted.has(name) && !name.startsWith('security.') && libc.fremovexattr(fd, cString(name)) < 0)
      throw lost(path, name, lastError());
  for (const [name, value] of wanted) {
    if (isComputed(name) || had.get(name)?.equals(value)) continue;
    if (libc.fsetxattr(fd, cString(name), value, BigInt(value.length), 0) < 0 && !isStale(name))
      throw lost(path, name, lastError());
  }
  const found = attributesOf(path, fd);
  for (const [name, value] of wanted)
    if (!isComputed(name) && !isStale(name) && !found.get(name)?.equals(value))
      throw lost(path, name, 'the file system did not take it as it was');
};

const labelName = 'security.selinux';

/** The label by which SELinux knows a file; undefined where it has none. */
export const labelAt = (path: string, fd: number): Buffer | undefined =>
  attributesOf(path, fd).get(labelName);

/** Throws `attribute-lost` where the policy, or the file system, refuses it. */
export const giveLabel = (path: string, fd: number, label: Buffer): void => {
  if (libc.fsetxattr(fd, cString(labelName), label, BigInt(label.length), 0) < 0)
    throw lost(path, labelName, lastError());
};
