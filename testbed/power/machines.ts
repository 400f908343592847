/**
 * Machines whose writes are recorded, each started from the same disk: a virtual machine, whose kernel makes them, or a container, whose
 * file system this machine's kernel has. The second takes seconds to boot where the first takes minutes.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Artifact } from '../artifacts/artifact.ts';
import { importImage, pauseOciImage } from '../artifacts/oci.ts';
import { type Progress, run } from '../machine/command.ts';
import { claim, estateOf, forget, raze, razeAtExit } from '../machine/estate.ts';
import { containerdConfiguration } from '../node/configuration.ts';
import { bootNode } from '../node/node.ts';
import type { AnyNode, TestNode } from '../node/test-node.ts';
import { archiveOf } from '../packages/own-packages.ts';
import { copyImage, type Disk, mountImage, preparedSystem, type System } from '../vm/disk.ts';
import { exportDisk } from '../vm/export.ts';
import { bootVm } from '../vm/node.ts';
import { vmTools } from '../vm/tools.ts';
import { recorded } from '../vm/write-log.ts';

/** In a folder: the disk as it was before the first write, and the log of the writes. */
export type Recorded = { readonly base: string; readonly log: string };

export const recordedIn = (folder: string): Recorded => ({
  base: join(folder, 'base.img'),
  log: join(folder, 'log'),
});

export type Contents = {
  readonly progress: Progress;
  readonly folder: string;
  /** What the machine can install. */
  readonly shims: readonly Artifact[];
  /** Beside those that it needs. */
  readonly files?: Readonly<Record<string, string>>;
};

export const placeOf = ({ path }: Artifact): string => join('/srv/baked', basename(path));

/** Either machine boots with it, and a container has no controllers of cgroups, and no network. */
const files = {
  '/etc/containerd/config.toml': containerdConfiguration.trixie,
  '/etc/rcm-node/config.toml': 'interval = 5\nstable = 1\nquiet = 0\n',
  '/etc/cloud/cloud-init.disabled': '',
  '/etc/systemd/system/systemd-networkd-wait-online.service.d/none.conf':
    '[Service]\nExecStart=\nExecStart=/bin/true\n',
};

const systemIn = async (given: Contents, disks: string): Promise<System> => {
  const { progress, folder, shims } = given;
  const archive = await archiveOf('0.1.0', progress);
  await run(['tar', '-xzf', join(archive.folder, archive.name)], { cwd: folder });
  const unpacked = join(folder, archive.name.replace(/\.tar\.gz$/, ''));
  return preparedSystem(disks, { files: { ...files, ...given.files } }, progress, async (root) => {
    await run([join(unpacked, 'install.sh'), '--root', root]);
    await mkdir(join(root, 'srv/baked'));
    for (const shim of shims) await copyFile(shim.path, join(root, placeOf(shim)));
  });
};

const record = async (image: string, { base, log }: Recorded): Promise<Disk> => {
  await copyImage(image, base);
  await writeFile(log, '');
  return recorded(image, log);
};

/** What is done with a disk before it is mounted, and with its root before anything runs. */
type Before = {
  readonly disk?: (path: string) => void;
  readonly root?: (root: string) => Promise<void>;
};

/** A container whose root is this file; `stop` ends it as a power cut does. */
export const bootFrom = async (disk: Disk, progress: Progress, before?: Before): Promise<TestNode> => {
  const exported = await exportDisk(await vmTools(progress), disk);
  try {
    before?.disk?.(exported.path);
    const node = await bootNode({
      suite: 'trixie',
      // Nothing of an image is taken but the file system that it is made of.
      kind: 'minbase',
      progress,
      mount: async (estate) => {
        await mountImage(estate, exported.path);
        await before?.root?.(estate.root);
      },
    });
    const { stop } = node;
    const end = async (): Promise<void> => {
      // It may have been killed before.
      await node.kill().catch(() => undefined);
      await stop();
      exported.stop();
    };
    // Its properties are read as it boots again.
    return Object.defineProperty(node, 'stop', { value: end });
  } catch (error) {
    exported.stop();
    throw error;
  }
};

let looks = 0;

/** Without a boot: what `work` finds in the root of this disk. */
export const withRoot = async <T>(
  disk: Disk,
  {
    progress,
    before,
    work,
  }: { readonly progress: Progress; readonly before: Before['disk']; work(root: string): Promise<T> },
): Promise<T> => {
  const exported = await exportDisk(await vmTools(progress), disk);
  looks += 1;
  const name = `rcm-look-${process.pid}-${looks}`;
  const estate = estateOf(name);
  razeAtExit(name);
  try {
    claim(estate);
    before?.(exported.path);
    await mountImage(estate, exported.path);
    return await work(estate.root);
  } finally {
    raze(name);
    forget(name);
    exported.stop();
  }
};

/** By its name in POWER_MACHINE. */
export const machines = {
  vm: (given: Contents): Promise<AnyNode> =>
    bootVm({
      progress: given.progress,
      system: (disks) => systemIn(given, disks),
      disk: (image) => record(image, recordedIn(given.folder)),
    }),
  container: async (given: Contents): Promise<AnyNode> => {
    const { image } = await systemIn(given, given.folder);
    const node = await bootFrom(await record(image, recordedIn(given.folder)), given.progress);
    await importImage(node, pauseOciImage());
    return node;
  },
} as const;
