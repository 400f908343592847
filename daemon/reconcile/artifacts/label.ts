/**
 * With SELinux a runtime may run only programs with a label for that, and files in the store have that of their folder: so they
 * get the label of the runtime's own program. Not verified on a host that enforces a policy.
 */
import type { Host } from '../../../host/host.ts';
import { labelLike } from '../../../host/files/label.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { runtimes } from '../../runtimes/table.ts';

/** Where it fails, the start of a sandbox shows whether the runtime can do without. */
export const labelPrograms = async (host: Host, paths: readonly string[]): Promise<void> => {
  const programs = runtimes.flatMap(({ usual }) => usual.binaries);
  for (const program of programs) {
    if (!(await host.files.stat(program))) continue;
    for (const path of paths)
      await labelLike(host.files, path, program).catch((error: unknown) =>
        host.log('warn', `${path} keeps its SELinux label: ${problemOf(error).message}`),
      );
    return;
  }
};
