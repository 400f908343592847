/**
 * A stand-in for Ignition, which runs in the initramfs of Flatcar and Fedora CoreOS: it writes directories, files and units of a rendered
 * configuration into a tree before its first boot. What it has no name for is an error.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../machine/command.ts';

type File = {
  readonly path: string;
  readonly mode?: number;
  readonly contents: { readonly source: string; readonly verification?: { readonly hash: string } };
};
type Unit = { readonly name: string; readonly enabled?: boolean; readonly contents: string };
export type Ignition = {
  readonly storage: {
    readonly directories: readonly { readonly path: string }[];
    readonly files: readonly File[];
  };
  readonly systemd: { readonly units: readonly Unit[] };
};

/** `fetched`: the files behind addresses. */
const bytesOf = async (
  { source, verification }: File['contents'],
  fetched: Readonly<Record<string, string>>,
): Promise<Buffer> => {
  const inline = /^data:,(.*)$/s.exec(source)?.[1];
  const bytes =
    inline === undefined ? await readFile(fetched[source] ?? '') : Buffer.from(decodeURIComponent(inline));
  const hash = `sha256-${createHash('sha256').update(bytes).digest('hex')}`;
  if (verification && verification.hash !== hash)
    throw new Error(`${source} has ${hash}, and not ${verification.hash}`);
  return bytes;
};

export const applyIgnition = async (
  root: string,
  { storage, systemd }: Ignition,
  fetched: Readonly<Record<string, string>>,
): Promise<void> => {
  const place = async (path: string, bytes: string | Buffer, mode: number): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), bytes, { mode });
  };
  for (const { path } of storage.directories) await mkdir(join(root, path), { recursive: true });
  for (const { path, mode = 0o644, contents } of storage.files)
    await place(path, await bytesOf(contents, fetched), mode);
  for (const { name, contents } of systemd.units) await place(`/etc/systemd/system/${name}`, contents, 0o644);
  for (const { name, enabled } of systemd.units)
    if (enabled) await run(['systemctl', `--root=${root}`, '--quiet', 'enable', name]);
};
