/** The daemon: checks its configuration, serves CRI, and reads the files again when it is told to. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../config/check-handler.ts';
import { type Config, setting, text } from '../config/model.ts';
import { imagesIn } from '../run/images.ts';
import type { Monitor } from '../run/monitor.ts';
import { Pods } from '../run/pods.ts';
import { Handlers } from './handlers.ts';
import { serve } from './server.ts';
import { servicesOf } from './services.ts';

export type Daemon = {
  readonly socket: string;
  readonly reload: () => void;
  readonly stop: () => void;
};

export type Place = {
  /** A folder that stands for `/`. */
  readonly root: string;
  /** Made with the folder where exit codes are left. */
  readonly monitor: (run: string) => Monitor;
};

/** Images that can be pulled: OCI layouts in tar archives. */
export const archives = '/var/lib/crio-like/archives';

/** Throws Refused where CRI-O does not start. */
export const startDaemon = async (config: Config, host: Host, place: Place): Promise<Daemon> => {
  const at = (path: string): string => join(place.root, path);
  const handlers = new Handlers(config, host);
  const run = at('/run/crio');
  const images = imagesIn(at('/var/lib/crio-like/images'), at(archives));
  const pods = new Pods(handlers, images, place.monitor(run), at('/run/crio-like'));
  const folder = at(text(setting(config, 'network', 'network_dir')));
  const networkReady = (): boolean => existsSync(folder) && readdirSync(folder).length > 0;
  const socket = at(text(setting(config, 'api', 'listen')));
  const end = await serve(socket, servicesOf(handlers, pods, images, networkReady));
  return { socket, reload: () => handlers.reload(), stop: end };
};
