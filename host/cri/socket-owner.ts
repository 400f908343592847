/**
 * Who answers on a unix socket? Node does not tell the other side's identity (SO_PEERCRED), so it is read off the socket's
 * file: its owner is the one who bound it, and only root can give a file to root. A user who may write it may connect and no
 * more, so a socket that a group shares, as a runtime's often is, is believed. Its folders are held to the rule of
 * trusted.ts: who can write one of those may put another socket there in the next moment.
 */
import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '../../protocol/problem/problem.ts';
import { mustBeRoots } from '../files/trusted.ts';

/** Throws Failure 'untrusted' or 'runtime-unreachable' when another user may have made the socket; one that is not there is left to the call. */
export const mustBeRootsSocket = (path: string): void => {
  const uid = statSync(path, { throwIfNoEntry: false })?.uid;
  if (uid === undefined) return;
  // The folder as it is named, which holds links on the way to the rule, too, and the one that the socket itself is in.
  mustBeRoots('/', dirname(path));
  mustBeRoots('/', dirname(realpathSync(path)));
  if (uid === 0 || uid === process.geteuid?.()) return;
  throw new Failure({
    code: 'runtime-unreachable',
    message: `the socket ${path} belongs to uid ${uid}, not to root; what answers there is not trusted`,
    hint: 'The runtime makes its socket as root (in the configuration of containerd: [grpc] uid = 0). If it did, find out who put another one there.',
  });
};
