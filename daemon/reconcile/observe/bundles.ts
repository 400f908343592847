/**
 * Programs of ours in the bundles of running containers. An OCI runtime is not a process while its container runs: it is run
 * again to stop and remove it. So no process has it mapped, and with the runtime down only the bundles tell.
 */
import { mustBeSeen } from '../../../host/files/trusted.ts';
import type { Host } from '../../../host/host.ts';
import type { Observed } from '../../decide/observed.ts';
import type { Bundles } from '../../runtimes/runtime.ts';
import { placeOfStart, type RuntimeFacts, withGiven } from '../../runtimes/facts.ts';
import { runtimes } from '../../runtimes/table.ts';
import { namesIn } from './names.ts';

/** Handlers whose program a running container still needs. */
export const observeBundles = async (
  { files }: Host,
  runtime: Observed['runtime'],
): Promise<readonly string[]> => {
  const found = new Set<string>();
  // With its unit gone, or another one in its place, nothing tells whose containers run.
  for (const row of runtimes)
    for (const handler of await handlersBelow(
      files,
      row.bundlesOf(runtime.name === row.name ? readBy(runtime) : []),
    ))
      found.add(handler);
  return [...found].sort();
};

const readBy = (runtime: RuntimeFacts): RuntimeFacts['config'] =>
  withGiven(runtime.config, { given: runtime.given, place: placeOfStart(runtime) });

const handlersBelow = async (
  files: Host['files'],
  { folder, depth, inside, pidFile, tellers, handlersIn, states }: Bundles,
): Promise<ReadonlySet<string>> => {
  const found = new Set<string>();
  const above =
    depth === 1 ? [folder] : (await namesIn(files, folder)).map((namespace) => `${folder}/${namespace}`);
  for (const place of above)
    for (const id of await namesIn(files, place)) {
      const bundle = inside === undefined ? `${place}/${id}` : `${place}/${id}/${inside}`;
      const pid = await files.look(`${bundle}/${pidFile}`);
      const isEnded = pid.kind === 'regular' && !(await files.isFolder(`/proc/${pid.text.trim()}`));
      for (const name of isEnded || states === undefined ? [] : await namesIn(files, states))
        if (await files.isFolder(`${states}/${name}/${id}`)) found.add(name);
      for (const name of isEnded ? [] : tellers) {
        const fact = mustBeSeen(`${bundle}/${name}`, await files.look(`${bundle}/${name}`));
        if (fact.kind === 'regular') for (const handler of handlersIn(fact.text)) found.add(handler);
      }
    }
  return found;
};
