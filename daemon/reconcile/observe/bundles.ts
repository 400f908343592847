/**
 * What the bundles of containers that still run name of ours. An OCI runtime is no process while its container runs: it is run
 * again to stop and to remove it. No process has it mapped, and with the runtime down no other program can be asked.
 */
import type { Host } from '../../../host/host.ts';
import { paths } from '../../../protocol/host-paths.ts';
import type { Observed } from '../../decide/observed.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { parseToml } from '../../toml/toml.ts';
import { namesIn } from './names.ts';

/** Files of a bundle in which containerd and its runc shim keep the paths of programs. */
const tellers = ['runtime', 'options.json', 'shim-binary-path', 'bootstrap.json'];

const ours = new RegExp(`${paths.links}/([^/"\\s]+)/`, 'g');

/** `state` of the configuration: the last file that names one counts. */
const stateOf = (runtime: Observed['runtime']): string => {
  let state = '/run/containerd';
  for (const { path, fact } of runtime.name === 'none' ? [] : runtime.config) {
    if (fact.kind !== 'regular') continue;
    try {
      const named = parseToml(fact.text, path).state;
      if (typeof named === 'string' && named.startsWith('/')) state = named;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  return state;
};

/** Handlers whose program a container that runs needs again. */
export const observeBundles = async (
  { files }: Host,
  runtime: Observed['runtime'],
): Promise<readonly string[]> => {
  const found = new Set<string>();
  const tasks = `${stateOf(runtime)}/io.containerd.runtime.v2.task`;
  for (const namespace of await namesIn(files, tasks))
    for (const id of await namesIn(files, `${tasks}/${namespace}`)) {
      const bundle = `${tasks}/${namespace}/${id}`;
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
