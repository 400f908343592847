/**
 * What bootstrap works with: the host's folders as they are mounted into the Pod, its systemd, the payload that this
 * program lies in, a clock, and a log.
 */
import { type Files, makeFiles } from '../host/files/files.ts';
import type { Clock } from '../host/host.ts';
import { makeSystemd, type Systemd, usualSockets } from '../host/systemd/systemd.ts';
import { Failure } from '../protocol/problem/problem.ts';
import { refusal } from '../daemon/runtimes/distro.ts';
import { refused } from '../daemon/runtimes/refused.ts';

export type Target = {
  readonly host: Files;
  readonly systemd: Systemd;
  /** Files of this container: the payload, and the ConfigMap. */
  readonly own: Files;
  /** The folder with the files for the host, and their version. */
  readonly payload: string;
  readonly version: string;
  readonly settings: string;
  /** Of this Pod; undefined where the manifest does not say. */
  readonly namespace?: string | undefined;
  readonly clock: Clock;
  readonly say: (line: string) => void;
};

/** `host`: where the host's folders are mounted. */
export const makeTarget = (
  options: Omit<Target, 'host' | 'systemd' | 'own'> & { readonly host: string },
): Target => {
  const host = makeFiles(options.host);
  return {
    ...options,
    host,
    systemd: makeSystemd({
      sockets: { bus: host.real(usualSockets.bus), systemd: host.real(usualSockets.systemd) },
      callDeadlineMs: 30_000,
    }),
    own: makeFiles('/'),
  };
};

/** Throws if the unit may still run: the next steps need it stopped. */
export const mustStop = async (site: Target, unit: string, deadlineMs: number): Promise<void> => {
  const ended = await site.systemd.stop(unit, deadlineMs);
  if (ended === 'done') return;
  throw new Failure({
    code: 'activation-failed',
    message: `${unit} could not be stopped: the job ended as "${ended}"`,
    hint: `On the node: systemctl status ${unit}. It is retried when the Pod restarts.`,
  });
};

const architectures: Readonly<Record<string, string>> = { x64: 'x86-64', arm64: 'arm64' };

/** Throws if this host must not be changed: no systemd, or another architecture than this program's. */
export const checkSite = async (site: Target, arch: string): Promise<void> => {
  const found = await site.systemd.architecture().catch((error) => {
    throw new Failure(
      {
        code: 'unsupported-host',
        message: `the systemd of this node cannot be asked, neither over D-Bus (/run/dbus/system_bus_socket) nor, where that is missing, at /run/systemd/private: ${error instanceof Error ? error.message : error}`,
        hint: 'rcm-node is a systemd service. A node without systemd, as of k3d and Talos Linux, cannot run it: exclude it with a nodeSelector. With systemd, check the Pod: it needs the mounts of /run/dbus and /run/systemd, AppArmor Unconfined and the SELinux type spc_t.',
      },
      error,
    );
  });
  // An image for another architecture may start under emulation; the host's systemd shows the real one.
  if (architectures[arch] !== found)
    throw new Failure({
      code: 'unsupported-host',
      message: `this image is for ${architectures[arch] ?? arch}, and the node is ${found}`,
      hint: 'Push the whole index to the registry (skopeo copy --all), not the image of one platform.',
    });
};

/**
 * Throws for a host on which rcm-node would refuse to work, before anything is placed on it. Bootstrap sees few folders of the
 * host, so it asks for units that only such hosts have; the service itself sees the rest, and says it in its status.
 */
export const mustBeServed = async (site: Target): Promise<void> => {
  for (const row of refused)
    if (row.unit !== undefined && (await site.systemd.unit(row.unit)).load === 'loaded') throw refusal(row);
};
