/**
 * A real virtual machine as a node: its own kernel, boot, disk and cgroups. The processor is emulated, so a boot takes a minute or two.
 * What it cannot show: a firmware and boot loader, since qemu loads the kernel; and a kubelet.
 */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { attempt, type Progress } from '../machine/command.ts';
import { claim, estateOf, forget, killAll, raze, razeAtExit, razeLeftovers } from '../machine/estate.ts';
import type { Process } from '../machine/spawn.ts';
import { pauseOciImage, importImage } from '../artifacts/oci.ts';
import type { AnyNode } from '../node/test-node.ts';
import { placeFile } from '../node/node.ts';
import { type Agent, connectAgent } from './agent.ts';
import { copyOf, type Disk, seedOf, type System } from './disk.ts';
import { criPort } from './files.ts';
import { agentSocket, consoleOf, powerOn } from './machine.ts';
import { pageOption } from './release-page.ts';
import { vmTools } from './tools.ts';

export type VmOptions = {
  readonly progress: Progress;
  /** Made in the folder that this machine has on ours. */
  readonly system: (folder: string) => Promise<System>;
  /** cloud-init finds it; without any, cloud-init has nothing to do. */
  readonly userData?: string;
  /** The folder whose files the machine finds at `pageAddress`. */
  readonly page?: string;
  /** The root file system; a throw-away copy of the system's image unless told. */
  readonly disk?: (image: string, folder: string) => Promise<Disk>;
};

let booted = 0;

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  server.close();
  return port;
};

/** CRI is spoken over a socket in the file system, and qemu brings a port. */
const bridge = async (socketPath: string, port: number): Promise<Server> => {
  const server = createServer((near) => {
    const far = createConnection(port, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  server.unref();
  server.listen(socketPath);
  await once(server, 'listening');
  return server;
};

/** Boots a machine and returns when its systemd has started everything, cloud-init's last part too. */
export const bootVm = async (options: VmOptions): Promise<AnyNode> => {
  const { progress } = options;
  const tools = await vmTools(progress);
  for (const left of razeLeftovers()) progress(`removed ${left}, left behind by a killed run`);
  booted += 1;
  const name = `rcm-vm-${process.pid}-${booted}`;
  const estate = estateOf(name);
  razeAtExit(name);
  claim(estate);
  const folder = join(estate.dir, 'disks');
  mkdirSync(folder);
  const system = await options.system(folder);
  const root = await (options.disk?.(system.image, folder) ??
    copyOf(tools, system.image, join(folder, 'root.qcow2')));
  const seed = options.userData === undefined ? [] : [await seedOf(tools, estate, options.userData)];
  const port = await freePort();
  const criSocket = join(estate.dir, 'cri.sock');
  const server = await bridge(criSocket, port);
  const network = [
    `hostfwd=tcp:127.0.0.1:${port}-:${criPort}`,
    ...(options.page === undefined ? [] : [pageOption(options.page)]),
  ];

  let current: { readonly machine: Process; readonly agent: Agent } | undefined;
  const running = () => {
    if (current === undefined) throw new Error(`the virtual machine ${name} is not running`);
    return current;
  };
  const exec: AnyNode['exec'] = (argv, given) => running().agent.exec(argv, given);
  const mustRun: AnyNode['run'] = async (argv, given) => {
    const said = await exec(argv, given);
    if (said.code !== 0)
      throw new Error(`in ${name}, ${argv.join(' ')} ended with ${said.code}: ${said.stderr}${said.stdout}`);
    return said.stdout;
  };
  const ended = async (): Promise<void> => {
    const { machine, agent } = running();
    await machine.ended(600_000);
    agent.close();
    killAll(estate);
    current = undefined;
  };
  const start = async (): Promise<void> => {
    const began = performance.now();
    const machine = powerOn(tools, estate, { system, disks: [root, ...seed], network });
    await machine.until(async () => (await attempt(['test', '-S', agentSocket(estate)])).code === 0, 60_000);
    const agent = connectAgent(agentSocket(estate));
    current = { machine, agent };
    const up = agent.exec(['systemctl', 'is-system-running', '--wait'], { timeoutMs: 900_000 });
    // More than the agent takes at most, so that it is the agent that tells what is missing.
    const state = await Promise.race([up.catch(String), machine.ended(1_300_000)]);
    if (typeof state !== 'object' || !/^(running|degraded)$/m.test(state.stdout))
      throw new Error(
        `${name} does not finish booting: ${JSON.stringify(state)}\n${consoleOf(estate).slice(-4000)}`,
      );
    progress(`${name} was up after ${Math.round((performance.now() - began) / 1000)} s`);
  };

  const node: AnyNode = {
    name,
    suite: 'trixie',
    unit: 'containerd.service',
    criSocket,
    exec,
    run: mustRun,
    readFile: (path) => mustRun(['cat', '--', path]),
    writeFile: async (path, content, mode = 0o644) => {
      await mustRun(['sh', '-c', placeFile, 'sh', path, mode.toString(8)], { input: content });
    },
    start,
    reboot: async () => {
      // The agent may end before it has answered.
      await exec(['systemctl', '--no-block', 'reboot']).catch(() => undefined);
      await ended();
      await start();
    },
    kill: async () => {
      killAll(estate);
      await ended();
    },
    stop: async () => {
      // Nothing of it is kept, so it need not shut down in order.
      if (current !== undefined) await node.kill();
      server.close();
      raze(name);
      forget(name);
    },
    consoleText: () => consoleOf(estate),
  };
  try {
    await start();
    await importImage(node, pauseOciImage());
  } catch (error) {
    await node.stop();
    throw error;
  }
  return node;
};
