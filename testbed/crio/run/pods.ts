/** Pods and their containers: what happens at each call, and with which handler. */
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Handlers } from '../serve/handlers.ts';
import type { CreateContainer, Namespaces, RunSandbox, SandboxConfig } from '../serve/requests.ts';
import type { Image, Images } from './images.ts';
import type { Ended, Monitor, Order } from './monitor.ts';
import type { Container, Process, Sandbox } from './records.ts';
import { annotationsOf, mode, type SpecOrder, specOf } from './spec.ts';
import { type Store, storeIn } from './store.ts';

const newId = (): string => randomBytes(32).toString('hex');
const now = (): number => Date.now() * 1_000_000;

const namespacesOf = (config: SandboxConfig): Namespaces =>
  config.linux?.security_context?.namespace_options ?? { network: mode.pod, pid: mode.pod, ipc: mode.pod };

const stopped = ({ id }: Sandbox): Error =>
  new Error(`CreateContainer failed as the sandbox was stopped: ${id}`);

export class Pods {
  readonly #handlers: Handlers;
  readonly #images: Images;
  readonly #monitor: Monitor;
  readonly #bundles: string;
  readonly sandboxes: Store<Sandbox>;
  readonly containers: Store<Container>;

  constructor(handlers: Handlers, images: Images, monitor: Monitor, folder: string) {
    this.#handlers = handlers;
    this.#images = images;
    this.#monitor = monitor;
    this.#bundles = join(folder, 'bundles');
    this.sandboxes = storeIn(join(folder, 'sandboxes'));
    this.containers = storeIn(join(folder, 'containers'));
  }

  #order(process: Process): Order {
    return { ...process, handler: this.#handlers.find(process.handler) };
  }

  /** Undefined while it runs; also for a handler that is gone, since nothing is asked of it. */
  endedOf(process: Process): Ended | undefined {
    const handler = this.#handlers.running.handlers.get('crun') ?? {};
    return this.#monitor.ended({ ...process, handler });
  }

  isReady({ stopped, pause }: Sandbox): boolean {
    return !stopped && (pause === undefined || this.endedOf(pause) === undefined);
  }

  async runSandbox({ config, runtime_handler: name }: RunSandbox): Promise<string> {
    if (config?.metadata == null) throw new Error('PodSandboxConfig.Metadata should not be nil');
    const handler = this.#handlers.find(name);
    const id = newId();
    const { metadata } = config;
    const full = `k8s_${metadata.name}_${metadata.namespace}_${metadata.uid}_${metadata.attempt}`;
    let image: Image;
    try {
      image = this.#images.find(this.#handlers.pauseImage) ?? this.#images.pull(this.#handlers.pauseImage);
    } catch (error) {
      throw new Error(`creating pod sandbox with name "${full}": ${(error as Error).message}`);
    }
    const sandbox = { id, handler: name, config, createdAt: now(), stopped: false };
    const namespaces = namespacesOf(config);
    if (namespaces.pid !== mode.pod) {
      this.sandboxes.put(sandbox);
      return id;
    }
    const pause = this.#prepare(`${id}-infra`, name, image, '/dev/null', {
      args: [this.#handlers.pauseCommand],
      image,
      namespaces,
      sharedPid: undefined,
      annotations: annotationsOf(handler, config.annotations),
      config: undefined,
    });
    await this.#create(pause);
    await this.#monitor.start(this.#order(pause));
    this.sandboxes.put({ ...sandbox, pause });
    return id;
  }

  #prepare(id: string, handler: string, image: Image, log: string, spec: SpecOrder): Process {
    const bundle = join(this.#bundles, id);
    mkdirSync(bundle, { recursive: true });
    if (log !== '/dev/null') mkdirSync(dirname(log), { recursive: true });
    cpSync(this.#images.tree(image), join(bundle, 'rootfs'), { recursive: true });
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(specOf(spec)));
    const runtime = this.#handlers.platformPath(this.#handlers.find(handler), image.platform);
    return { id, handler, runtime, name: id, bundle, log };
  }

  async #create(process: Process): Promise<void> {
    try {
      await this.#monitor.create(this.#order(process));
    } catch (error) {
      rmSync(process.bundle, { recursive: true, force: true });
      throw error;
    }
  }

  sandbox(id: string): Sandbox {
    const found = this.sandboxes.get(id);
    if (found === undefined)
      throw new Error(
        `could not find pod "${id}": PodSandbox with ID starting with ${id} not found: ID does not exist`,
      );
    return found;
  }

  container(id: string): Container {
    const found = this.containers.get(id);
    if (found === undefined)
      throw new Error(
        `could not find container "${id}": container with ID starting with ${id} not found: ID does not exist`,
      );
    return found;
  }

  #inside(id: string): readonly Container[] {
    return this.containers.all().filter(({ sandbox }) => sandbox === id);
  }

  /** That it is gone already is no error. */
  async stopSandbox(id: string): Promise<void> {
    const sandbox = this.sandboxes.get(id);
    if (sandbox === undefined) return;
    this.#handlers.find(sandbox.handler);
    for (const { process } of this.#inside(sandbox.id)) await this.#stop(process, 10);
    if (sandbox.pause !== undefined) await this.#stop(sandbox.pause, 1);
    this.sandboxes.put({ ...sandbox, stopped: true });
  }

  async #stop(process: Process, seconds: number): Promise<void> {
    const order = this.#order(process);
    if (this.#monitor.ended(order) === undefined) await this.#monitor.stop(order, seconds);
  }

  async removeSandbox(id: string): Promise<void> {
    const sandbox = this.sandboxes.get(id);
    if (sandbox === undefined) return;
    await this.stopSandbox(id);
    for (const container of this.#inside(sandbox.id)) await this.removeContainer(container.id);
    if (sandbox.pause !== undefined) await this.#remove(sandbox.pause);
    this.sandboxes.remove(sandbox.id);
  }

  async #remove(process: Process): Promise<void> {
    await this.#monitor.remove(this.#order(process));
    rmSync(process.bundle, { recursive: true, force: true });
  }

  async createContainer({ pod_sandbox_id: pod, config }: CreateContainer): Promise<string> {
    const sandbox = this.sandbox(pod);
    if (config?.metadata == null) throw new Error('metadata should not be nil');
    if (!this.isReady(sandbox)) throw stopped(sandbox);
    const image = this.#images.find(config.image?.image ?? '');
    if (image === undefined) throw new Error(`image not known: ${config.image?.image}`);
    const id = newId();
    const named = [...config.command, ...config.args];
    const usual = [...image.entrypoint, ...(config.args.length > 0 ? config.args : image.command)];
    const process = this.#prepare(
      id,
      sandbox.handler,
      image,
      join(sandbox.config.log_directory, config.log_path),
      {
        args: config.command.length > 0 ? named : usual,
        image,
        namespaces: namespacesOf(sandbox.config),
        sharedPid: sandbox.pause && Number(readFileSync(join(sandbox.pause.bundle, 'pidfile'), 'utf8')),
        annotations: annotationsOf(
          this.#handlers.find(sandbox.handler),
          sandbox.config.annotations,
          config.annotations,
        ),
        config,
      },
    );
    try {
      await this.#create(process);
    } catch (error) {
      throw (await this.#pauseEnds(sandbox)) ? stopped(sandbox) : error;
    }
    const times = { createdAt: now(), startedAt: 0 };
    this.containers.put({ id, sandbox: sandbox.id, config, process, imageId: image.id, ...times });
    return id;
  }

  /** A pause container that cannot live may do so until its Pod's first container wants its namespaces. */
  async #pauseEnds(sandbox: Sandbox): Promise<boolean> {
    for (let waited = 0; this.isReady(sandbox) && waited < 500; waited += 50) await sleep(50);
    return !this.isReady(sandbox);
  }

  async startContainer(id: string): Promise<void> {
    const container = this.container(id);
    await this.#monitor.start(this.#order(container.process));
    this.containers.put({ ...container, startedAt: now() });
  }

  async stopContainer(id: string, seconds: number): Promise<void> {
    const found = this.containers.get(id);
    if (found !== undefined) await this.#stop(found.process, seconds);
  }

  async removeContainer(id: string): Promise<void> {
    const found = this.containers.get(id);
    if (found === undefined) return;
    await this.#stop(found.process, 0);
    await this.#remove(found.process);
    this.containers.remove(found.id);
  }
}
