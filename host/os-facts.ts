/** Facts about this machine, or about the system in a tree. The only file that imports systeminformation, which is large: only at need. */
import { statfs } from 'node:fs/promises';
import { environmentIn } from './unit-file/environment.ts';
import type { Files } from './files/files.ts';
import { mustBeSeen, unlessUntrusted } from './files/trusted.ts';

export type HostFacts = {
  readonly system: string;
  /** Absent for a tree: its kernel is known only after its boot. */
  readonly kernel?: string;
  /** File systems that are nearly full. */
  readonly full: readonly { readonly mount: string; readonly percent: number }[];
};

const fullPercent = 95;

export const hostFacts = async (): Promise<HostFacts> => {
  const { osInfo, fsSize } = await import('systeminformation');
  const [os, disks] = await Promise.all([osInfo(), fsSize()]);
  return {
    system: `${os.distro} ${os.release}`.trim(),
    kernel: os.kernel,
    full: disks
      .filter((disk) => disk.use >= fullPercent && disk.rw)
      .map((disk) => ({ mount: disk.mount, percent: Math.round(disk.use) })),
  };
};

/** https://www.freedesktop.org/software/systemd/man/latest/os-release.html: the first file that exists. */
const releases = ['/etc/os-release', '/usr/lib/os-release'];

/** The first file counts, also if it has no such line; one that not only root can have written shows nothing. Throws `unreadable-source`. */
export const releaseIn = async (files: Files): Promise<ReadonlyMap<string, string>> => {
  for (const path of releases) {
    const found = await files.lookTrusted(path).catch(unlessUntrusted);
    const fact = found && mustBeSeen(path, found);
    if (fact?.kind === 'regular') return new Map(environmentIn(fact.text));
  }
  return new Map();
};

const systemIn = async (files: Files): Promise<string> => {
  for (const path of releases) {
    const fact = await files.look(path);
    if (fact.kind !== 'regular') continue;
    const rows = new Map(environmentIn(fact.text));
    const name = rows.get('PRETTY_NAME') || `${rows.get('NAME') ?? ''} ${rows.get('VERSION') ?? ''}`.trim();
    // Text of the tree for one line of a terminal.
    const said = name
      .replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
      .slice(0, 100)
      .trim();
    if (said !== '') return said;
  }
  return 'a system without os-release';
};

/** Of the tree in `root`, and of the file system that it lies on. */
export const treeFacts = async (root: string, files: Files): Promise<HostFacts> => {
  const { blocks, bavail } = await statfs(root);
  const percent = blocks === 0 ? 0 : Math.round((100 * (blocks - bavail)) / blocks);
  return { system: await systemIn(files), full: percent >= fullPercent ? [{ mount: root, percent }] : [] };
};
