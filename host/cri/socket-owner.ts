/**
 * Which user answers on a unix socket? Node does not offer SO_PEERCRED, so the owner of the socket's file is used: it is
 * the user who bound it, and only root can give a file to root. Write permission allows only to connect, so a socket that
 * a group may write, as is usual for runtimes, is trusted. Its folders must pass the check of trusted.ts, because a user
 * who can write one of them can put another socket there at any moment.
 */
import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '../../protocol/problem/problem.ts';
import { mustBeRoots } from '../files/trusted.ts';

/** Throws Failure 'untrusted' or 'runtime-unreachable' when another user may have made the socket; a missing one fails the call. */
export const mustBeRootsSocket = (path: string): void => {
  const uid = statSync(path, { throwIfNoEntry: false })?.uid;
  if (uid === undefined) return;
  // Checks the folder as it is named, so also links on the way, and the folder that the socket is really in.
  mustBeRoots('/', dirname(path));
  mustBeRoots('/', dirname(realpathSync(path)));
  if (uid === 0 || uid === process.geteuid?.()) return;
  throw new Failure({
    code: 'runtime-unreachable',
    message: `the socket ${path} belongs to uid ${uid}, not to root; what answers there is not trusted`,
    hint: 'The runtime makes its socket as root (in the configuration of containerd: [grpc] uid = 0). If it did, find out who put another one there.',
  });
};
