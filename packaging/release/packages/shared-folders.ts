/**
 * Takes folders out of a deb that no package of Debian lists, /opt above all: base-files makes it by a script. Of a folder that
 * our package alone lists dpkg thinks that it is ours, and removes it, empty, with the package: it was there before.
 * The format: https://manpages.debian.org/deb.5 (ar: 60 bytes before each member, which begins at an even place).
 */
import { gunzipSync, gzipSync } from 'node:zlib';

const MAGIC = '!<arch>\n';
const HEADER = 60;
const BLOCK = 512;

type Member = { readonly header: Buffer; readonly name: string; readonly bytes: Buffer };

const membersOf = (deb: Buffer): readonly Member[] => {
  if (deb.toString('latin1', 0, MAGIC.length) !== MAGIC)
    throw new Error('this is no deb: it is no ar archive');
  const members: Member[] = [];
  for (let at = MAGIC.length; at < deb.length; ) {
    const header = deb.subarray(at, at + HEADER);
    const size = Number(header.toString('latin1', 48, 58));
    const name = header.toString('latin1', 0, 16).trim().replace(/\/$/, '');
    members.push({ header, name, bytes: deb.subarray(at + HEADER, at + HEADER + size) });
    at += HEADER + size + (size % 2);
  }
  return members;
};

const withBytes = ({ header }: Member, bytes: Buffer): Buffer => {
  const own = Buffer.from(header);
  own.write(String(bytes.length).padEnd(10), 48, 'latin1');
  return Buffer.concat([own, bytes, Buffer.alloc(bytes.length % 2, '\n')]);
};

const without = (archive: Buffer, folders: ReadonlySet<string>): Buffer => {
  const kept: Buffer[] = [];
  for (let at = 0; at < archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    const size = Number.parseInt(header.toString('latin1', 124, 136), 8) || 0;
    const end = at + BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const name = header.toString('latin1', 0, 100).replace(/\0.*$/s, '');
    if (header[156] !== '5'.charCodeAt(0) || !folders.has(name)) kept.push(archive.subarray(at, end));
    at = end;
  }
  return Buffer.concat(kept);
};

/** The deb without these folders, named as in its archive: `./opt/`. What is in them stays. */
export const withoutFolders = (deb: Buffer, folders: readonly string[]): Buffer =>
  Buffer.concat([
    Buffer.from(MAGIC),
    ...membersOf(deb).map((member) =>
      withBytes(
        member,
        member.name === 'data.tar.gz'
          ? gzipSync(without(gunzipSync(member.bytes), new Set(folders)), { level: 6 })
          : Buffer.from(member.bytes),
      ),
    ),
  ]);
