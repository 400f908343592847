/** Which commands only root can run, and the true reason of each: it changes the host, or it reads what is root's alone. */
import { Failure } from '../protocol/problem/problem.ts';
import type { Command } from './arguments.ts';
import { rowOf } from './command-table.ts';

/** Throws `needs-root`. `uid`: undefined where the system has no such thing. */
export const needRoot = ({ name, root }: Pick<Command, 'name' | 'root'>, uid: number | undefined): void => {
  const need = rowOf(name).root;
  if (need === undefined || uid === 0) return;
  const place = root === '/' ? 'this host' : root;
  throw new Failure({
    code: 'needs-root',
    message:
      need === 'change'
        ? `"rcm-node ${name}" changes ${place}, which only root can do; it runs as uid ${uid}, and nothing was done`
        : `"rcm-node ${name}" changes nothing, but reads what only root can read; it runs as uid ${uid}, and nothing was read. It reads ${need.reads}`,
    hint: `Run it as root: sudo rcm-node ${name}${root === '/' ? '' : ` --root ${root}`}. Every user may read the last report of the service: rcm-node status.`,
  });
};
