/**
 * Programs of ours in the bundles of running containers. An OCI runtime is not a process while its container runs: it is run
 * again to stop and remove it. So no process has it mapped, and with the runtime down only the bundles tell.
 */
import type { Host } from '../../../host/host.ts';
import { paths } from '../../../protocol/host-paths.ts';
import type { Observed } from '../../decide/observed.ts';
import { runtimeOf, usualRuntime } from '../../runtimes/table.ts';
import { namesIn } from './names.ts';

const ours = new RegExp(`${paths.links}/([^/"\\s]+)/`, 'g');

/** Handlers whose program a running container still needs. */
export const observeBundles = async (
  { files }: Host,
  runtime: Observed['runtime'],
): Promise<readonly string[]> => {
  const found = new Set<string>();
  const { folder, tellers } =
    runtime.name === 'none' ? usualRuntime.bundlesOf([]) : runtimeOf(runtime).bundlesOf(runtime.config);
  for (const namespace of await namesIn(files, folder))
    for (const id of await namesIn(files, `${folder}/${namespace}`)) {
      const bundle = `${folder}/${namespace}/${id}`;
      const pid = await files.look(`${bundle}/init.pid`);
      const isEnded = pid.kind === 'regular' && !(await files.isFolder(`/proc/${pid.text.trim()}`));
      for (const name of isEnded ? [] : tellers) {
        const fact = await files.look(`${bundle}/${name}`);
        if (fact.kind !== 'regular') continue;
        for (const [, handler] of fact.text.matchAll(ours)) if (handler) found.add(handler);
      }
    }
  return [...found].sort();
};
