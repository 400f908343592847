/** Whether this node can start a sandbox for a proof: image, memory, disk; and its cgroup parent. */
import type { Cri } from '../../../host/cri/cri.ts';
import type { Host } from '../../../host/host.ts';
import { tooLittle } from '../../../host/pressure-facts.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import type { Settings } from '../../model/settings.ts';
import { runtimeOf } from '../../runtimes/table.ts';
import { observeRuntime } from '../observe/runtime.ts';
import { whichRuntime } from '../observe/which.ts';

export type Ability =
  | { readonly kind: 'able'; readonly cgroupParent: string }
  | { readonly kind: 'unable'; readonly why: string };

export const abilityOf = async (host: Host, settings: Settings, cri: Cri): Promise<Ability> => {
  const unable = (why: string): Ability => ({ kind: 'unable', why });
  try {
    const { row } = await whichRuntime(host, settings);
    const seen = row.sandboxesIn(await cri.configuration());
    const image = seen.image ?? (await dumpedImage(host, settings));
    if (image === undefined) return unable('the image of sandboxes is not known');
    // Otherwise the runtime would pull the image, which may take long.
    if (!(await cri.hasImage(image))) return unable(`the image of sandboxes is not on this node: ${image}`);
    const pressure = host.pressure(host.files.real(seen.root));
    // A lost network file system never answers.
    if (!(await host.clock.within(pressure, diskMs)))
      return unable('the disk of the runtime does not respond');
    const why = tooLittle(await pressure);
    // Like the kubelet: with the systemd cgroup driver a sandbox must be in a slice.
    const cgroupParent = seen.systemdCgroup ? 'system.slice' : '';
    return why === undefined ? { kind: 'able', cgroupParent } : unable(why);
  } catch (error) {
    return unable(problemOf(error).message);
  }
};

const diskMs = 2_000;

/** Not every runtime reports it over CRI. */
const dumpedImage = async (host: Host, settings: Settings): Promise<string | undefined> => {
  const runtime = await observeRuntime(host, settings);
  if (runtime.name === 'none') return undefined;
  const { configPath, configFolder, given, mainIs } = runtime;
  const isThere = mainIs !== 'skipped' && (await host.files.look(configPath)).kind !== 'absent';
  const row = runtimeOf(runtime);
  const words = row.dumpWords({
    main: isThere ? configPath : null,
    ...(configFolder ? { folder: configFolder } : {}),
    given,
  });
  const result = await host.tools.run([runtime.binary, ...words], {
    deadlineMs: 5_000,
    maxOutputBytes: 16 * 1024 * 1024,
  });
  if (result.kind !== 'ran' || result.code !== 0) return undefined;
  return row.pauseImage(result.stdout);
};
