/**
 * The process of the kubelet, and what it was started with. It is believed by its unit, by the kernel, and by root as its owner
 * (main-process.ts), never by its name alone.
 */
import type { Host } from '../../../host/host.ts';
import { findRunning, type Running } from '../../../host/processes/main-process.ts';

export const kubeletUnit = 'kubelet.service';

/** Undefined: none runs in this unit, which may be that of a distribution that starts the kubelet as its child. */
export const runningKubelet = async (
  { systemd, files, root }: Pick<Host, 'systemd' | 'files' | 'root'>,
  unit = kubeletUnit,
): Promise<Running | undefined> => {
  const ask = async (): Promise<number> => (await systemd?.unit(unit))?.mainPid ?? 0;
  const pid = await ask();
  if (pid === 0) return undefined;
  const running = await findRunning(pid, (name) => name === 'kubelet', files.real('/proc'), root);
  // After its end, its pid may be that of another process. systemd learns of the end before that.
  return running?.name === 'kubelet' && (await ask()) === pid ? running : undefined;
};

/** The last one wins, as in the kubelet. */
export const flagIn = (argv: readonly string[], flag: string): string | undefined =>
  argv
    .map((word, at) =>
      word === flag ? argv[at + 1] : word.startsWith(`${flag}=`) ? word.slice(flag.length + 1) : undefined,
    )
    .findLast((value) => value !== undefined && value !== '');
