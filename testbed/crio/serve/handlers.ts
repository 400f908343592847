/**
 * The two copies of the configuration that CRI-O 1.36.3 has: what it tells (Status), which a reload changes, and what Pods run
 * with, which no reload reaches. Held to the record.
 */
import { checkConfig, checkDefault, checkHandlers } from '../config/check.ts';
import type { Host } from '../config/check-handler.ts';
import { quoted } from '../config/cursor.ts';
import { readAgain, Refused } from '../config/load.ts';
import {
  change,
  type Config,
  copyOf,
  defaultRuntime,
  type Handler,
  list,
  map,
  setting,
  text,
} from '../config/model.ts';
import { disallowedBy } from '../config/annotations.ts';
import { effective } from '../config/print.ts';

type Features = { readonly recursive_read_only_mounts: boolean; readonly user_namespaces: boolean };
type FeaturesText = {
  readonly mountOptions?: readonly string[];
  readonly linux?: { readonly mountExtensions?: { readonly idmap?: { readonly enabled?: boolean } } };
};

const featuresOf = ({ programs, log }: Host, name: string, handler: Handler): Features | undefined => {
  const path = text(handler.runtime_path);
  const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));
  try {
    log('info', `Using runtime handler ${programs.ask(path, ['--version']).trim().replaceAll('\n', ', ')}`);
  } catch (error) {
    log('error', `Unable to determine version of runtime handler ${quoted(name)}: ${said(error)}`);
    return undefined;
  }
  try {
    const told = JSON.parse(programs.ask(path, ['features'])) as FeaturesText;
    return {
      recursive_read_only_mounts: told.mountOptions?.includes('rro') ?? false,
      user_namespaces: told.linux?.mountExtensions?.idmap?.enabled ?? false,
    };
  } catch (error) {
    log('error', `Getting ${path} OCI runtime features failed: ${said(error)}`);
    return undefined;
  }
};

/** In Go's names, as CRI-O prints its configuration in the answer to a verbose Status. */
const goName = (key: string): string =>
  key
    .split('_')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('')
    .replace('Cpu', 'CPU');

const goHandler = (handler: Handler): object => ({
  ...Object.fromEntries(
    Object.entries(handler).map(([key, value]) => {
      if (typeof value === 'bigint') return [goName(key), Number(value)];
      const empty = typeof value === 'object' && Object.keys(value).length === 0;
      return [goName(key), empty ? null : value];
    }),
  ),
  DisallowedAnnotations: disallowedBy(list(handler.allowed_annotations)),
});

const goSettings = (config: Config): object =>
  Object.fromEntries(
    [...(config.settings.get('runtime') ?? [])]
      .filter(([key]) => key !== 'runtimes' && key !== 'workloads')
      .map(([key, value]) => [goName(key), typeof value === 'bigint' ? Number(value) : value]),
  );

export class Handlers {
  readonly #host: Host;
  /** What Pods run with. */
  readonly running: Config;
  /** What is told. */
  readonly #served: Config;
  readonly #features = new WeakMap<Handler, Features>();

  /** Throws Refused where CRI-O does not start. */
  constructor(config: Config, host: Host) {
    checkConfig(config, host);
    this.#host = host;
    this.running = config;
    // A reload replaces the handlers as a whole, so that both may hold the same ones until then.
    this.#served = { ...copyOf(config), handlers: config.handlers };
    this.#askAll();
    host.log('info', `Current CRI-O configuration:\n${effective(config)}`);
  }

  #askAll(): void {
    for (const [name, handler] of this.#served.handlers) {
      const features = featuresOf(this.#host, name, handler);
      if (features !== undefined) this.#features.set(handler, features);
    }
  }

  /** '' is the default one. Throws CRI-O's message for a missing one. */
  find(name: string): Handler {
    const handlers = this.running.handlers;
    const found = handlers.get(name === '' ? defaultRuntime(this.running) : name);
    if (found !== undefined) return found;
    const all = [...handlers.keys()].sort().map((one, index) => `${one}:0x${(0xc000 + index).toString(16)}`);
    throw new Error(`failed to find runtime handler ${name} from runtime list map[${all.join(' ')}]`);
  }

  /** In an order that differs each time. */
  told(): readonly { readonly name: string; readonly features: Features | object }[] {
    const shuffled = [...this.#served.handlers]
      .map((one) => [Math.random(), one] as const)
      .sort(([a], [b]) => a - b);
    return shuffled.flatMap(([, [name, handler]]) => {
      const features = this.#features.get(handler) ?? {};
      const own = { name, features };
      return name === defaultRuntime(this.#served) ? [own, { name: '', features }] : [own];
    });
  }

  info(): string {
    const runtimes = Object.fromEntries(
      [...this.#served.handlers].map(([name, handler]) => [name, goHandler(handler)]),
    );
    return JSON.stringify({
      crio: { ...goSettings(this.#served), Runtimes: runtimes },
      sandboxImage: this.pauseImage,
    });
  }

  text(): string {
    return effective(this.#served);
  }

  get pauseImage(): string {
    return text(setting(this.#served, 'image', 'pause_image'));
  }

  get pauseCommand(): string {
    return text(setting(this.#served, 'image', 'pause_command'));
  }

  platformPath(handler: Handler, platform: string): string {
    return map(handler.platform_runtime_paths)[platform] ?? text(handler.runtime_path);
  }

  /** SIGHUP. Reads the files without the flags, and never fails. */
  reload(): void {
    const { files, log } = this.#host;
    log('info', 'Reloading configuration');
    try {
      this.#take(readAgain(files, this.running, log));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      log('error', `Unable to reload configuration: ${error.message}`);
    }
  }

  #take(found: Config): void {
    const served = this.#served;
    for (const key of ['pause_image', 'pause_command'])
      change(served, 'image', key, text(setting(found, 'image', key)));
    served.handlers = found.handlers;
    try {
      const name = defaultRuntime(found);
      if (name !== defaultRuntime(served)) {
        change(served, 'runtime', 'default_runtime', name);
        checkDefault(served);
      }
      checkHandlers(this.#host, served);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      throw new Refused(`unable to reload runtimes: ${error.message}`);
    }
    this.#askAll();
  }
}
