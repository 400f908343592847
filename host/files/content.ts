/** What of a file is text to look at, and what is said of the others. */
import { isUtf8 } from 'node:buffer';
import { readSync, type Stats } from 'node:fs';
import type { FileFact } from '../facts.ts';

/** A configuration larger than this is no configuration. */
export const maxBytes = 8 * 1024 * 1024;
const pieceBytes = 4096;

export const notFile = (facts: Stats, path: string): FileFact => {
  const what = facts.isDirectory()
    ? 'a folder'
    : facts.isFIFO()
      ? 'a named pipe'
      : facts.isSocket()
        ? 'a socket'
        : 'a device';
  return { kind: 'foreign', what, hint: `Put a file in its place, or move it away: ls -ld ${path}` };
};

export const tooLarge = ({ size }: Stats, path: string): FileFact => ({
  kind: 'unreadable',
  why: `at most ${maxBytes} bytes are read of a configuration, and it has ${size > maxBytes ? size : 'more'}`,
  hint: `See what it is, and move it away if it is no configuration: file ${path}; ls -lh ${path}`,
});

/** Until its end, wherever that is by now: the kernel's own files tell no size, and some have no end. Undefined: it has too many. */
export const bytesOf = (fd: number, expected: number): Buffer | undefined => {
  const parts: Buffer[] = [];
  for (let [size, room] = [0, expected || pieceBytes]; size <= maxBytes; room = pieceBytes) {
    const part = Buffer.allocUnsafe(room);
    const bytes = readSync(fd, part);
    if (bytes === 0) return Buffer.concat(parts);
    parts.push(part.subarray(0, bytes));
    size += bytes;
  }
  return undefined;
};

/** The line is that of the first byte that is none of UTF-8. */
export const notText = (bytes: Buffer, path: string): FileFact => {
  let line = 1;
  for (let start = 0; ; ) {
    const end = bytes.indexOf(0x0a, start);
    if (!isUtf8(bytes.subarray(start, end < 0 ? bytes.length : end)) || end < 0) break;
    line += 1;
    start = end + 1;
  }
  return {
    kind: 'unreadable',
    why: `text in UTF-8 is expected, and line ${line} is none`,
    hint: `Save it as UTF-8, for instance: iconv -f ISO-8859-1 -t UTF-8 ${path}. Where it is no text at all, move it away.`,
  };
};
