/** Whether this node has the means and the room to start a sandbox for a proof: its image, memory, disk; and in which cgroup. */
import { type Cri, member } from '../../../host/cri/cri.ts';
import type { Host } from '../../../host/host.ts';
import { tooLittle } from '../../../host/pressure-facts.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import type { Settings } from '../../model/settings.ts';
import { parseToml } from '../../toml/toml.ts';
import { pauseImageIn } from '../../runtimes/containerd/launch.ts';
import { observeRuntime } from '../observe/runtime.ts';

export type Ability =
  | { readonly kind: 'able'; readonly cgroupParent: string }
  | { readonly kind: 'unable'; readonly why: string };

export const abilityOf = async (host: Host, settings: Settings, cri: Cri): Promise<Ability> => {
  const unable = (why: string): Ability => ({ kind: 'unable', why });
  try {
    const loaded = await cri.configuration();
    const image = textIn(member(loaded, 'sandboximage')) ?? (await dumpedImage(host, settings));
    if (image === undefined) return unable('which image sandboxes run cannot be found out');
    // The runtime would pull it, from wherever that leads, for as long as that takes.
    if (!(await cri.hasImage(image))) return unable(`the image of sandboxes is not on this node: ${image}`);
    const root = textIn(member(loaded, 'containerdrootdir')) ?? '/var/lib/containerd';
    const pressure = host.pressure(host.files.real(root));
    // A network file system that is gone answers nothing, for ever.
    if (!(await host.clock.within(pressure, diskMs)))
      return unable('the disk of the runtime gives no answer');
    const why = tooLittle(await pressure);
    return why === undefined ? { kind: 'able', cgroupParent: cgroupParentIn(loaded) } : unable(why);
  } catch (error) {
    return unable(problemOf(error).message);
  }
};

const diskMs = 2_000;

const textIn = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= 1024 ? value : undefined;

/** As the kubelet does it: where runc has systemd make cgroups, a sandbox has to be in a slice. */
const cgroupParentIn = (loaded: unknown): string => {
  const containerd = member(loaded, 'containerd');
  const name = textIn(member(containerd, 'defaultruntimename')) ?? 'runc';
  const options = member(member(member(containerd, 'runtimes'), name.toLowerCase()), 'options');
  const isSystemd = [member(options, 'systemdcgroup'), member(loaded, 'systemdcgroup')].includes(true);
  return isSystemd ? 'system.slice' : '';
};

/** containerd 2.x does not show it over CRI. */
const dumpedImage = async (host: Host, settings: Settings): Promise<string | undefined> => {
  const runtime = await observeRuntime(host, settings);
  if (runtime.name === 'none') return undefined;
  const isThere = (await host.files.look(runtime.configPath)).kind !== 'absent';
  const words = isThere ? ['--config', runtime.configPath, 'config', 'dump'] : ['config', 'default'];
  const result = await host.tools.run([runtime.binary, ...words], {
    deadlineMs: 5_000,
    maxOutputBytes: 16 * 1024 * 1024,
  });
  if (result.kind !== 'ran' || result.code !== 0) return undefined;
  return textIn(pauseImageIn(parseToml(result.stdout, 'containerd config dump', 'broken-config')));
};
