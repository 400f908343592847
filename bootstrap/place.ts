/** The payload's files on the host: complete under their final name, or absent. */
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { folderOf, paths } from '../protocol/host-paths.ts';
import { pieces } from '../host/files/chunks.ts';
import { openHashingWriter } from '../host/files/hashing-writer.ts';
import { Failure } from '../protocol/problem/problem.ts';
import { incomingPrefix } from './observe.ts';
import type { Payload } from './plan.ts';
import type { Target } from './target.ts';
import { places, program, service } from './state.ts';

const modeOf = (name: string): number => (name === program ? 0o755 : 0o644);

/** Copies one file to an unused name, and compares the digest of the copy with the planned one. */
const copy = async (site: Target, payload: Payload, name: string, to: string): Promise<void> => {
  await using source = await open(site.own.real(`${site.payload}/${name}`));
  const sink = await openHashingWriter(site.host.real(to));
  try {
    for await (const piece of pieces(source)) await sink.write(piece);
    const { sha256 } = await sink.finish(modeOf(name));
    if (sha256 !== payload.files[name])
      throw new Failure({
        code: 'digest-mismatch',
        message: `${name} changed while it was copied`,
        hint: 'The image, or the disk that holds it, is damaged: remove the image from the node, so that it is pulled again.',
      });
  } catch (error) {
    await sink.discard();
    throw error;
  }
};

/** After any failure, only folders with their final names are ever read. */
export const placeFolder = async (site: Target, payload: Payload, folder: string): Promise<void> => {
  const incoming = `${places.versions}/${incomingPrefix}${randomBytes(6).toString('hex')}`;
  await site.host.makeFolder(incoming);
  try {
    for (const name of Object.keys(payload.files))
      if (name !== service) await copy(site, payload, name, `${incoming}/${name}`);
    // Last, because it syncs the folder too.
    await site.host.put(`${incoming}/${service}`, payload.unit, modeOf(service));
    await site.host.move(incoming, `${places.versions}/${folder}`);
  } catch (error) {
    await site.host.removeTree(incoming).catch(() => undefined);
    throw error;
  }
};

/** By rename, so that a running program keeps its file. */
export const mendFile = async (
  site: Target,
  payload: Payload,
  folder: string,
  name: string,
): Promise<void> => {
  const temporary = `${places.versions}/${incomingPrefix}${randomBytes(6).toString('hex')}`;
  await copy(site, payload, name, temporary);
  await site.host.move(temporary, `${places.versions}/${folder}/${name}`);
};

/** As host/files/files.ts names a file, or a link, that has not got its final name yet. */
const temporary = /^(\.rcm-node-|rcm-node\.)[0-9a-f]{12}$/;

/** Where bootstrap writes single files, and the service none. */
const written = [places.bin, places.units, folderOf(paths.settings), paths.shims];

/** Removes what a killed run left. The caller must hold the lock. */
export const sweepIncoming = async (site: Target): Promise<void> => {
  const clear = async (folder: string, goes: (name: string) => boolean): Promise<void> => {
    for (const name of (await site.host.names(folder)) ?? [])
      if (goes(name)) await site.host.removeTree(`${folder}/${name}`);
  };
  await clear(places.versions, (name) => name.startsWith(incomingPrefix));
  for (const folder of written) await clear(folder, (name) => temporary.test(name));
};
