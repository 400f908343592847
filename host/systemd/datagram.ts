/**
 * Sends one datagram to a unix socket, for which Node has no call. Without a program that is started for it: a process takes ten
 * milliseconds of processor time, and systemd need not find out whose child it was.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { lastError, libc } from '../libc.ts';

/** unix(7), socket(2), send(2); the same numbers on both of our machines. */
const [AF_UNIX, SOCK_DGRAM, SOCK_CLOEXEC, MSG_DONTWAIT, MSG_NOSIGNAL] = [1, 2, 0o2000000, 0x40, 0x4000];
/** sockaddr_un: the family, and a path of 107 bytes. */
const [familyBytes, mostPathBytes] = [2, 107];

const addressOf = (socket: string): Buffer => {
  // An abstract name is written with "@" and begins with a zero.
  const path = Buffer.from(socket.replace(/^@/, '\0'));
  if (!/^[/@]/.test(socket) || path.length > mostPathBytes)
    throw new Error(`${socket} is no address of a unix socket`);
  const family = Buffer.alloc(familyBytes);
  // In the byte order of the machine, which is little-endian on both.
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, path]);
};

/** Often: others who wait for room, as any user may, would take it first. */
const waitMs = 20;
const tries = 3000;

/**
 * Rejects when it cannot be sent; while the receiver has no room it waits, a minute at most. Readiness is told once, and a service that
 * did not tell it is ended.
 */
export const sendDatagram = async (socket: string, text: string): Promise<void> => {
  const address = addressOf(socket);
  const bytes = Buffer.from(text);
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error(`there is no socket to send with: ${lastError()}`);
  try {
    for (let left = tries; ; left -= 1) {
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      const sent = libc.sendto(fd, bytes, BigInt(bytes.length), flags, address, address.length);
      if (Number(sent) === bytes.length) return;
      const errno = lastError();
      if (left === 0 || !['EAGAIN', 'EINTR', 'ENOBUFS'].includes(errno))
        throw new Error(`nothing can be sent to ${socket}: ${errno}`);
      await sleep(waitMs);
    }
  } finally {
    libc.close(fd);
  }
};
