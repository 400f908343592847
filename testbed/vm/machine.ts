/** One run of a virtual machine, by qemu without help of the processor, in a cgroup of its own. Its disks are in disk.ts. */
import { readFileSync } from 'node:fs';
import type { Estate } from '../machine/estate.ts';
import { type Process, spawnIn } from '../machine/spawn.ts';
import type { Disk, System } from './disk.ts';
import type { Tools } from './tools.ts';

export type Hardware = {
  readonly system: Pick<System, 'kernel' | 'initrd'>;
  /** The first is the root file system. */
  readonly disks: readonly Disk[];
  /** Options of qemu's own network: what reaches the machine, and what it reaches. Nothing else does. */
  readonly network: readonly string[];
};

const memory = 2048;

/** The socket of qemu's guest agent. */
export const agentSocket = (estate: Estate): string => `${estate.dir}/agent.sock`;

const argvOf = (estate: Estate, { system, disks, network }: Hardware): readonly string[] => [
  ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', `${memory}`],
  ...['-nodefaults', '-display', 'none', '-no-reboot', '-serial', `file:${estate.console}`],
  ...['-kernel', system.kernel, '-initrd', system.initrd, '-append', 'root=/dev/vda rw console=ttyS0 quiet'],
  ...['-device', 'virtio-rng-pci', '-device', 'virtio-serial-pci'],
  ...['-chardev', `socket,id=agent,path=${agentSocket(estate)},server=on,wait=off`],
  ...['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
  ...['-netdev', ['user', 'id=net', 'restrict=on', ...network].join(',')],
  ...['-device', 'virtio-net-pci,netdev=net,romfile='],
  ...disks.flatMap((disk, at) => [
    ...['-blockdev', JSON.stringify({ 'node-name': `disk${at}`, ...disk })],
    ...['-device', `virtio-blk-pci,drive=disk${at}`],
  ]),
];

/** Ends by itself when the machine is shut down, or starts anew. */
export const powerOn = (tools: Tools, estate: Estate, hardware: Hardware): Process =>
  spawnIn(estate, [...tools('qemu-system-x86_64'), ...argvOf(estate, hardware)]);

export const consoleOf = (estate: Estate): string => readFileSync(estate.console, 'utf8');
