/**
 * Disks of virtual machines: a file system made of a tree, throw-away copies of it, and a seed for cloud-init. What boots from them is
 * in machine.ts.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kept } from '../artifacts/kept.ts';
import { prepareImage } from '../artifacts/images.ts';
import { type Progress, run } from '../machine/command.ts';
import { mountCopy } from '../machine/copy.ts';
import { claim, type Estate, estateOf, forget, raze, razeAtExit } from '../machine/estate.ts';
import { furnish } from '../node/node.ts';
import { maskedUnits } from '../node/configuration.ts';
import { vmFiles, vmUnits } from './files.ts';
import type { Tools } from './tools.ts';

/** A node of qemu's graph of block devices, as `-blockdev` takes it. */
export type Disk = { readonly driver: string; readonly [option: string]: unknown };

/** What a machine starts from; the file system is a raw image with ext4 and without partitions. */
export type System = { readonly image: string; readonly kernel: string; readonly initrd: string };

const sparse = '4G';

/** An image of everything in a folder. */
export const imageOf = async (tree: string, image: string): Promise<void> => {
  await run(['mke2fs', '-q', '-t', 'ext4', '-E', 'root_owner=0:0', '-d', tree, image, sparse], {
    timeoutMs: 900_000,
  });
};

const bootFiles = async (tree: string) => {
  const names = await readdir(join(tree, 'boot'));
  const named = (start: string): string => {
    const name = names.find((one) => one.startsWith(start));
    if (name === undefined) throw new Error(`${tree}/boot has no ${start}`);
    return join(tree, 'boot', name);
  };
  return { kernel: named('vmlinuz-'), initrd: named('initrd.img-') };
};

/** What a disk has beside what all have. */
export type Contents = {
  /** Paths to text. What begins with `#!` is executable. */
  readonly files?: Readonly<Record<string, string>>;
  /** Units that start at boot. */
  readonly units?: readonly string[];
};

let copies = 0;

/** A copy of the tree that all machines are made of, for as long as `work` takes. */
const withTree = async <T>(
  { files = {}, units = [] }: Contents,
  progress: Progress,
  work: (root: string, tree: string) => Promise<T>,
): Promise<T> => {
  const tree = await prepareImage('trixie', 'vm', progress);
  copies += 1;
  const name = `rcm-disk-${process.pid}-${copies}`;
  const estate = estateOf(name);
  razeAtExit(name);
  claim(estate);
  try {
    await mountCopy(estate, tree);
    await furnish(estate.root, { ...vmFiles, ...files });
    for (const unit of [...vmUnits, ...units])
      await run(['systemctl', `--root=${estate.root}`, '--quiet', 'enable', unit]);
    return await work(estate.root, tree);
  } finally {
    raze(name);
    forget(name);
  }
};

/** Made once for these contents, and kept. Machines start from throw-away copies of it. */
export const keptSystem = async (contents: Contents, progress: Progress): Promise<System> => {
  const tree = await prepareImage('trixie', 'vm', progress);
  const key = createHash('sha256')
    .update(JSON.stringify([tree, sparse, vmFiles, vmUnits, contents, maskedUnits]))
    .digest('hex')
    .slice(0, 12);
  const folder = await kept(`vm/${key}`, 'the disk of a virtual machine', progress, (building) =>
    withTree(contents, progress, (root) => imageOf(root, join(building, 'disk.img'))),
  );
  return { image: join(folder, 'disk.img'), ...(await bootFiles(tree)) };
};

/** For one test: `prepare` changes the tree before it becomes a disk in `folder`. */
export const preparedSystem = (
  folder: string,
  contents: Contents,
  progress: Progress,
  prepare: (root: string) => Promise<void>,
): Promise<System> =>
  withTree(contents, progress, async (root, tree) => {
    await prepare(root);
    const image = join(folder, 'disk.img');
    await imageOf(root, image);
    return { image, ...(await bootFiles(tree)) };
  });

/** Takes what is written, so that the image stays as it is. */
export const copyOf = async (tools: Tools, image: string, path: string): Promise<Disk> => {
  await run([...tools('qemu-img'), 'create', '-q', '-f', 'qcow2', '-b', image, '-F', 'raw', path]);
  // It is thrown away: nothing waits for this machine's own disk.
  const cache = { 'no-flush': true };
  return { driver: 'qcow2', cache, file: { driver: 'file', filename: path, cache } };
};

/** A file of zeros takes no space, here as in the images. */
export const copyImage = async (from: string, to: string): Promise<void> => {
  await run(['cp', '--sparse=always', from, to]);
};

/** As root of a node in a container: the kernel replays the journal of the file system first, as at the boot of a machine. */
export const mountImage = async (estate: Estate, image: string): Promise<void> => {
  for (const part of ['root', 'containerd']) await mkdir(join(estate.dir, part));
  await run(['mount', '-t', 'ext4', '-o', 'loop', image, estate.root]);
};

/** cloud-init takes it for its source by the label: https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html */
export const seedOf = async (tools: Tools, estate: Estate, userData: string): Promise<Disk> => {
  const folder = await mkdtemp(join(estate.dir, 'seed-'));
  await writeFile(join(folder, 'user-data'), userData);
  await writeFile(join(folder, 'meta-data'), 'instance-id: first\nlocal-hostname: new-machine\n');
  const image = `${folder}.iso`;
  const words = ['-quiet', '-output', image, '-volid', 'cidata', '-joliet', '-rock', folder];
  await run([...tools('genisoimage'), ...words]);
  await rm(folder, { recursive: true });
  return { driver: 'raw', 'read-only': true, file: { driver: 'file', filename: image } };
};
