/**
 * Which user answers on a unix socket? Node does not offer SO_PEERCRED, so the owner of the socket's file is used: it is
 * the user who bound it, and only root can give a file to root. Write permission allows only to connect, so a socket that
 * a group may write, as is usual for runtimes, is trusted. Its folders must pass the check of trusted.ts, because a user
 * who can write one of them can put another socket there at any moment.
 */
import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '../../protocol/problem/problem.ts';
import { errnoOf } from '../files/hashing-writer.ts';
import { mustBeRoots } from '../files/trusted.ts';

/** Undefined: there is none, also where a runtime that starts makes it anew just now. */
const seen = (path: string): { readonly uid: number; readonly real: string } | undefined => {
  try {
    const { uid } = statSync(path);
    return { uid, real: realpathSync.native(path) };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error))) return undefined;
    throw new Failure(
      { code: 'runtime-unreachable', message: `the socket ${path} cannot be looked at: ${errnoOf(error)}` },
      error,
    );
  }
};

/** Throws Failure 'untrusted' or 'runtime-unreachable' when another user may have made the socket; a missing one fails the call. */
export const mustBeRootsSocket = (path: string): void => {
  const found = seen(path);
  if (!found) return;
  const { uid, real } = found;
  // Checks the folder as it is named, so also links on the way, and the folder that the socket is really in.
  const folders = new Set([path, real].map((one) => dirname(one)));
  for (const folder of folders) mustBeRoots('/', folder);
  if (uid === 0 || uid === process.geteuid?.()) return;
  throw new Failure({
    code: 'runtime-unreachable',
    message: `the socket ${path} belongs to uid ${uid}, not to root; what answers there is not trusted`,
    hint: 'The runtime makes its socket as root (in the configuration of containerd: [grpc] uid = 0). If it did, find out who put another one there.',
  });
};
