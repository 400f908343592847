import { Header } from 'tar';
import t, { type Test } from 'tap';
import { Failure } from '../../../protocol/problem/problem.ts';
import { readPaxRecords, readTarHeader, textOf } from '../../../host/artifact/tar-header.ts';
import { paxRecord, tarHeader, withSum } from '../../fixtures/artifacts/hostile.ts';

const refused = (t: Test, read: () => unknown, message: RegExp) => {
  try {
    read();
    t.fail(`it was accepted; expected ${message}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    t.match(error.problem, { code: 'bad-archive', message });
  }
};

/** As the library of that name writes it. */
const written = (given: ConstructorParameters<typeof Header>[0]): Buffer => {
  const block = Buffer.alloc(512);
  new Header(given).encode(block, 0);
  return block;
};

t.test('headers that the library tar writes are read as they were meant', async (t) => {
  t.same(readTarHeader(written({ path: 'bin/crun', size: 1234, type: 'File', mode: 0o755 })), {
    path: 'bin/crun',
    type: 'File',
    size: 1234,
    extended: false,
  });
  t.match(readTarHeader(written({ path: 'bin/', type: 'Directory' })), { path: 'bin/', type: 'Directory' });
  const link = written({ path: 'x', linkpath: 'y', type: 'SymbolicLink', size: 99 });
  t.match(readTarHeader(link), { type: 'SymbolicLink', size: 0, link: 'y' });
  const deep = `${'folder/'.repeat(20)}crun`;
  t.match(readTarHeader(written({ path: deep, type: 'File', size: 1 })), { path: deep });
  const large = 9 * 1024 ** 3;
  t.match(readTarHeader(written({ path: 'x', type: 'File', size: large })), { size: large });
});

t.test('every kind of entry is named, and an invalid one ends the reading', async (t) => {
  const kinds = [...'0\x001234567SxXgLNK!'].map((kind) => readTarHeader(tarHeader('x', kind, 0)).type);
  t.same(kinds, [
    'File',
    'File',
    'Link',
    'SymbolicLink',
    'CharacterDevice',
    'BlockDevice',
    'Directory',
    'FIFO',
    'File',
    'SparseFile',
    'records',
    'records',
    'skipped',
    'long-name',
    'long-name',
    'long-link',
    'Unknown',
  ]);
  t.equal(readTarHeader(tarHeader('folder/', '0', 0)).type, 'Directory', 'as old writers spell it');
  const holes = tarHeader('x', 'S', 5);
  holes[482] = 1;
  t.match(readTarHeader(withSum(holes)), { type: 'SparseFile', size: 5, extended: true });
});

t.test('a prefix counts where the format has one', async (t) => {
  const prefixed = (change: (block: Buffer) => void): string => {
    const block = tarHeader('name', '0', 0);
    block.write('p'.repeat(150), 345);
    change(block);
    return readTarHeader(withSum(block)).path;
  };
  t.equal(
    prefixed(() => undefined),
    `${'p'.repeat(150)}/name`,
  );
  t.equal(
    prefixed((block) => block.write('tar\0', 508)),
    `${'p'.repeat(131)}/name`,
    'star keeps times behind it',
  );
  t.equal(
    prefixed((block) => block.write('ustar  \0', 257)),
    'name',
    'GNU keeps times there',
  );
});

t.test('an invalid number is refused', async (t) => {
  const sized = (text: string | Buffer) => () => {
    const block = tarHeader('x', '0', 0);
    Buffer.from(text).copy(block, 124);
    return readTarHeader(withSum(block));
  };
  refused(t, sized('99999999999\0'), /no octal number/);
  refused(t, sized('-0000000001\0'), /no octal number/);
  refused(t, sized(Buffer.alloc(12, 0xff)), /no sensible number/);
  refused(t, sized(Buffer.from([0x80, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0])), /no sensible number/);
  t.equal(sized('        17 \0')().size, 15);
  t.equal(sized(Buffer.alloc(12))().size, 0);
  refused(t, () => readTarHeader(Buffer.alloc(512, 'x')), /checksum/);
});

t.test('records are read by their length, and only those of interest', async (t) => {
  const records = (...texts: readonly string[]) => readPaxRecords(Buffer.from(texts.join('')));
  t.same(records(paxRecord('path', 'a=b/é\nc'), paxRecord('mtime', '1.5'), paxRecord('size', '77')), {
    path: 'a=b/é\nc',
    size: 77,
  });
  t.same(records(paxRecord('GNU.sparse.major', '1')), { sparse: true });
  t.same(records(paxRecord('linkpath', '../lib/x')), { link: '../lib/x' });
  t.same(records(paxRecord('path', 'first'), paxRecord('path', 'second')), { path: 'second' });
  t.same(records(paxRecord('p'.repeat(100), 'x'), paxRecord('SCHILY.xattr.user.x', 'a\nb')), {});
  t.same(records(), {});
});

t.test('records of the wrong length are refused', async (t) => {
  const wrong = (text: string) => refused(t, () => readPaxRecords(Buffer.from(text)), /wrong length/);
  for (const text of [
    '\n',
    'x',
    '5 a=b\n',
    '7 a=b\n',
    '99999999999 a=b\n',
    '0 a=b\n',
    ' a=b\n',
    '-6 a=b\n',
    '2 \n',
  ])
    wrong(text);
  wrong(`${paxRecord('path', 'x')}\0\0`);
  for (const size of ['-1', '1e3', '9999999999999999', ''])
    refused(t, () => readPaxRecords(Buffer.from(paxRecord('size', size))), /no sensible number/);
});

t.test('a text ends with its first NUL, or with its field', async (t) => {
  t.equal(textOf(Buffer.from('ab\0cd')), 'ab');
  t.equal(textOf(Buffer.from('abcd')), 'abcd');
});
