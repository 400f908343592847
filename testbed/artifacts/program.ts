/**
 * Programs small enough to be written by hand, so that test images need neither a compiler nor a download: a static
 * x86-64 ELF file that prints one line and then waits for SIGTERM, or ends.
 */

const le32 = (value: number): number[] => [
  value & 255,
  (value >> 8) & 255,
  (value >> 16) & 255,
  (value >> 24) & 255,
];

const base = 0x400000;
const headers = 64 + 56;

/** Machine code with two placeholders resolved by position: the signal set and the line, right behind the code. */
const code = (line: Uint8Array, then: 'wait' | 'end'): Uint8Array => {
  const emit = (setAt: number, lineAt: number): number[] => {
    const bytes: number[] = [];
    const put = (...more: number[]): void => void bytes.push(...more);
    const addressTo = (target: number): number[] => le32(base + headers + target);
    put(0xb8, ...le32(14), 0x31, 0xff); // eax = rt_sigprocmask, edi = SIG_BLOCK
    put(0xbe, ...addressTo(setAt), 0x31, 0xd2, 0x41, 0xba, ...le32(8), 0x0f, 0x05); // esi = set, edx = 0, r10d = 8
    put(0xb8, ...le32(1), 0xbf, ...le32(1)); // eax = write, edi = stdout
    put(0xbe, ...addressTo(lineAt), 0xba, ...le32(line.length), 0x0f, 0x05); // esi = line, edx = length
    if (then === 'wait') {
      const again = bytes.length;
      put(0xb8, ...le32(128), 0xbf, ...addressTo(setAt)); // eax = rt_sigtimedwait, edi = set
      put(0x31, 0xf6, 0x31, 0xd2, 0x41, 0xba, ...le32(8), 0x0f, 0x05); // no siginfo, no timeout
      put(0x85, 0xc0, 0x78, (again - (bytes.length + 4)) & 255); // a negative answer (EINTR): wait again
    }
    put(0xb8, ...le32(231), 0x31, 0xff, 0x0f, 0x05); // exit_group(0)
    return bytes;
  };
  // SIGTERM and SIGINT. They are blocked and waited for, because PID 1 of a Pod ignores what it has no handler for.
  const set = [...le32((1 << 14) | (1 << 1)), 0, 0, 0, 0];
  const length = emit(0, 0).length;
  return Uint8Array.from([...emit(length, length + set.length), ...set, ...line]);
};

/** `line` is written with a newline, or not at all when empty. */
export const program = (line: string, then: 'wait' | 'end'): Uint8Array => {
  const body = code(new TextEncoder().encode(line === '' ? '' : `${line}\n`), then);
  const file = Buffer.alloc(headers + body.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bit, little endian
  file.writeUInt16LE(2, 16); // executable
  file.writeUInt16LE(62, 18); // x86-64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(base + headers), 24); // entry
  file.writeBigUInt64LE(64n, 32); // program headers
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // PT_LOAD
  file.writeUInt32LE(5, 68); // read and execute
  file.writeBigUInt64LE(BigInt(base), 80);
  file.writeBigUInt64LE(BigInt(base), 88);
  file.writeBigUInt64LE(BigInt(file.length), 96);
  file.writeBigUInt64LE(BigInt(file.length), 104);
  file.writeBigUInt64LE(0x1000n, 112);
  file.set(body, headers);
  return file;
};
