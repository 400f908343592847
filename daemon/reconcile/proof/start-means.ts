/** Whether this node has the means and the room to start a sandbox for a proof: its image, memory, disk; and in which cgroup. */
import type { Cri } from '../../../host/cri/cri.ts';
import type { Host } from '../../../host/host.ts';
import { tooLittle } from '../../../host/pressure-facts.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import type { Settings } from '../../model/settings.ts';
import { runtimeBy, runtimeOf } from '../../runtimes/table.ts';
import { observeRuntime } from '../observe/runtime.ts';

export type Ability =
  | { readonly kind: 'able'; readonly cgroupParent: string }
  | { readonly kind: 'unable'; readonly why: string };

export const abilityOf = async (host: Host, settings: Settings, cri: Cri): Promise<Ability> => {
  const unable = (why: string): Ability => ({ kind: 'unable', why });
  try {
    const seen = runtimeBy(settings.unit).sandboxesIn(await cri.configuration());
    const image = seen.image ?? (await dumpedImage(host, settings));
    if (image === undefined) return unable('the image of sandboxes is not known');
    // The runtime would pull it, from wherever that leads, for as long as that takes.
    if (!(await cri.hasImage(image))) return unable(`the image of sandboxes is not on this node: ${image}`);
    const pressure = host.pressure(host.files.real(seen.root));
    // A network file system that is gone answers nothing, for ever.
    if (!(await host.clock.within(pressure, diskMs)))
      return unable('the disk of the runtime does not respond');
    const why = tooLittle(await pressure);
    // As the kubelet does it: where systemd makes cgroups, a sandbox has to be in a slice.
    const cgroupParent = seen.systemdCgroup ? 'system.slice' : '';
    return why === undefined ? { kind: 'able', cgroupParent } : unable(why);
  } catch (error) {
    return unable(problemOf(error).message);
  }
};

const diskMs = 2_000;

/** Not every runtime shows it over CRI. */
const dumpedImage = async (host: Host, settings: Settings): Promise<string | undefined> => {
  const runtime = await observeRuntime(host, settings);
  if (runtime.name === 'none') return undefined;
  const isThere = (await host.files.look(runtime.configPath)).kind !== 'absent';
  const row = runtimeOf(runtime);
  const words = row.dumpWords(isThere ? runtime.configPath : null);
  const result = await host.tools.run([runtime.binary, ...words], {
    deadlineMs: 5_000,
    maxOutputBytes: 16 * 1024 * 1024,
  });
  if (result.kind !== 'ran' || result.code !== 0) return undefined;
  return row.pauseImage(result.stdout);
};
