import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import t, { type Test } from 'tap';
import { parseElf } from '../../../host/artifact/elf.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { AMD64, makeElf, makeVersionedElf } from '../../fixtures/artifacts/make-elf.ts';

/** Counts what is read, so that a test can say how much a hostile file makes us read. */
const reader = (bytes: Uint8Array) => {
  const seen = { calls: 0, bytes: 0 };
  const read = (offset: number, length: number): Uint8Array => {
    seen.calls += 1;
    const part = bytes.subarray(offset, offset + length);
    seen.bytes += part.length;
    return part;
  };
  return { read, seen };
};

const ofFile = (path: string) => {
  const fd = openSync(path, 'r');
  try {
    return parseElf((offset, length) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
    });
  } finally {
    closeSync(fd);
  }
};

const full = () =>
  makeElf(183, (text) => [
    [1n, text('libm.so.6')],
    [1n, text('libc.so.6')],
    [14n, text('libmine.so.1')],
    [15n, text('/ignored')],
    [29n, text('$ORIGIN/lib::/opt/lib')],
  ]);

t.test('a file that is not ELF is null, not an error', async (t) => {
  t.equal(parseElf(reader(Buffer.from('#!/bin/sh\n')).read), null);
  t.equal(parseElf(reader(Buffer.alloc(0)).read), null);
  t.equal(parseElf(reader(Buffer.from([0x7f, 0x45])).read), null);
});

t.test('the Node that runs this test is read as the machine it runs on', async (t) => {
  const elf = ofFile(process.execPath);
  t.equal(elf?.machine, process.arch === 'x64' ? 'amd64' : 'arm64');
  t.equal(elf?.bits, 64);
  t.match(basename(elf?.interpreter ?? ''), /^ld-/);
  t.ok(elf?.needed.some((soname) => soname.startsWith('libc.')));
});

t.test(
  'the loader, needs, soname and RUNPATH of a library for arm64 are read; RUNPATH hides RPATH',
  async (t) => {
    t.same(parseElf(reader(full()).read), {
      bits: 64,
      machine: 'arm64',
      interpreter: '/lib/ld-linux-aarch64.so.1',
      needed: ['libm.so.6', 'libc.so.6'],
      runpath: ['$ORIGIN/lib', '/opt/lib'],
      soname: 'libmine.so.1',
    });
  },
);

t.test('a bare header has no needs; other architectures and 32 bits are distinguished', async (t) => {
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(183, 18);
  t.same(parseElf(reader(header).read), { bits: 64, machine: 'arm64', needed: [], runpath: [] });
  header.writeUInt16LE(243, 18);
  t.equal(parseElf(reader(header).read)?.machine, 'other (243)');
  const small = Buffer.alloc(52);
  small.set([0x7f, 0x45, 0x4c, 0x46, 1, 2, 1]);
  small.writeUInt16BE(8, 18);
  t.match(parseElf(reader(small).read), { bits: 32, machine: 'other (8)' });
});

const refused = (t: Test, bytes: Uint8Array, message: RegExp) => {
  const { read, seen } = reader(bytes);
  try {
    parseElf(read);
    t.fail(`was accepted; expected ${message}`);
  } catch (error) {
    t.ok(error instanceof Failure);
    t.match(error, { problem: { code: 'bad-archive', message } });
  }
  t.ok(seen.bytes < 4 * 1024 * 1024 && seen.calls < 2000, 'and little was read for it');
};

t.test('damaged files are refused with what is wrong', async (t) => {
  const broken = (change: (file: Buffer) => void): Buffer => {
    const file = full();
    change(file);
    return file;
  };
  refused(t, full().subarray(0, 10), /ends within its header/);
  refused(t, full().subarray(0, 40), /header is beyond/);
  refused(t, full().subarray(0, 100), /table of program headers is beyond/);
  refused(t, full().subarray(0, 600), /dynamic section is beyond/);
  refused(t, full().subarray(0, 2049), /has no end|beyond/);
  refused(
    t,
    broken((file) => file.writeUInt8(9, 4)),
    /class is 9/,
  );
  refused(
    t,
    broken((file) => file.writeUInt8(0, 5)),
    /byte order is 0/,
  );
  refused(
    t,
    broken((file) => file.writeUInt16LE(0xffff, 56)),
    /claims 65535 program headers/,
  );
  refused(
    t,
    broken((file) => file.writeUInt16LE(1, 54)),
    /claim a size of 1/,
  );
  refused(
    t,
    broken((file) => file.writeBigUInt64LE(0xffffffffffffffffn, 32)),
    /program headers are beyond/,
  );
  refused(
    t,
    broken((file) => file.writeBigUInt64LE(1n << 40n, 64 + 56 + 32)),
    /dynamic section claims/,
  );
  refused(
    t,
    broken((file) => file.writeBigUInt64LE(0xffffffffffffffffn, 64 + 56 + 8)),
    /dynamic section is/,
  );
  refused(
    t,
    broken((file) => file.writeBigUInt64LE(0n, 64 + 112 + 32)),
    /name of its loader is beyond/,
  );
  refused(
    t,
    broken((file) => file.fill(0x41, 512, 1024)),
    /name of its loader has no end/,
  );
  refused(
    t,
    broken((file) => file.writeBigUInt64LE(99999n, 1024 + 8)),
    /outside its table of strings/,
  );
  refused(
    t,
    broken((file) => file.writeBigUInt64LE(0n, 64 + 32)),
    /table of strings is in no segment/,
  );
  refused(
    t,
    makeElf(62, () => []).map((byte, index) => (index === 1024 ? 1 : byte)),
    /no table of strings|name/,
  );
});

t.test('thousands of needs are refused before they are read', async (t) => {
  const file = Buffer.alloc(200_000);
  full().copy(file);
  for (let index = 0; index < 10_000; index++) {
    file.writeBigUInt64LE(1n, 4096 + index * 16);
    file.writeBigUInt64LE(1n, 4096 + index * 16 + 8);
  }
  file.writeBigUInt64LE(4096n, 64 + 56 + 8);
  file.writeBigUInt64LE(160_000n, 64 + 56 + 32);
  refused(t, file, /claims to need 10000 libraries/);
});

t.test('more folders for libraries than a program has are refused', async (t) => {
  const of = (count: number) => makeElf(62, (text) => [[29n, text('/a:'.repeat(count))]]);
  t.equal(parseElf(reader(of(128)).read)?.runpath.length, 128);
  refused(t, of(129), /claims 129 folders for its libraries/);
});

t.test('any change of one byte of the headers gives an answer or a Failure', async (t) => {
  const file = full();
  for (let at = 4; at < 1200; at++) {
    for (const value of [0, 0x7f, 0xff]) {
      const copy = Buffer.from(file);
      copy[at] = value;
      const { read, seen } = reader(copy);
      try {
        parseElf(read);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
      }
      if (seen.calls > 2000) t.fail(`byte ${at} set to ${value} caused ${seen.calls} reads`);
    }
  }
  t.pass('all of them');
});

t.test('no impossible offset of the file is read', (t) => {
  for (const offset of [0xffff_ffff_ffff_ffffn, 0x1f_ffff_ffff_ffffn]) {
    const needed = { 'libc.so.6': ['GLIBC_2.38'] };
    const bytes = makeVersionedElf(AMD64, { libraries: ['libc.so.6'], needed }, '/lib64/ld.so');
    bytes.writeBigUInt64LE(offset, 64 + 8);
    const read = (at: number, length: number): Uint8Array => {
      t.ok(Number.isSafeInteger(at), `${at}`);
      return bytes.subarray(at, at + length);
    };
    t.throws(() => parseElf(read), Failure);
  }
  t.end();
});
