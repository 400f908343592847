/**
 * Functions of libc for what Node has no call for, by node:ffi. That is experimental, and the Node that we ship is one version,
 * with which this is tested. The only file that imports it.
 */
import { dlopen, getInt32 } from 'node:ffi';
import { getSystemErrorName } from 'node:util';

export const libc = dlopen(null, {
  flistxattr: { arguments: ['i32', 'buffer', 'u64'], return: 'i64' },
  fgetxattr: { arguments: ['i32', 'buffer', 'buffer', 'u64'], return: 'i64' },
  fsetxattr: { arguments: ['i32', 'buffer', 'buffer', 'u64', 'i32'], return: 'i32' },
  fremovexattr: { arguments: ['i32', 'buffer'], return: 'i32' },
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  sendto: { arguments: ['i32', 'buffer', 'u64', 'i32', 'buffer', 'u32'], return: 'i64' },
  close: { arguments: ['i32'], return: 'i32' },
  __errno_location: { arguments: [], return: 'pointer' },
}).functions;

/** The errno of the last call; a call in between would overwrite it. */
export const lastError = (): string => getSystemErrorName(-getInt32(libc.__errno_location()));
