import t from 'tap';
import { type Pressure, tooLittle } from '../../host/pressure-facts.ts';

const mebibyte = 1024 * 1024;
const healthy: Pressure = {
  memory: { available: 4096 * mebibyte, total: 16_384 * mebibyte },
  memoryStall: { full: 0, some: 0 },
  tasks: { running: 300, most: 32_768 },
  disk: { bytes: 0.5, inodes: 0.9 },
};

t.test('a machine with enough of everything has enough', async (t) => {
  t.equal(tooLittle(healthy), undefined);
  const { memoryStall: _stall, tasks: _tasks, ...rest } = healthy;
  t.equal(tooLittle(rest), undefined, 'a kernel without PSI is no reason');
});

t.test('a shortage of one resource denies a start', async (t) => {
  const cases: readonly (readonly [Partial<Pressure>, RegExp])[] = [
    [{ memory: { available: 255 * mebibyte, total: 1024 * mebibyte } }, /only 255 MiB of memory/],
    [{ memory: { available: 6400 * mebibyte, total: 131_072 * mebibyte } }, /only 6400 MiB of memory/],
    [{ memoryStall: { full: 10, some: 10 } }, /wait for memory/],
    [{ memoryStall: { full: 0, some: 40 } }, /wait for memory/],
    [{ tasks: { running: 29_500, most: 32_768 } }, /29500 tasks, of 32768/],
    [{ disk: { bytes: 0.0999, inodes: 1 } }, /only 9 % of the disk/],
    [{ disk: { bytes: 1, inodes: 0.04 } }, /only 4 % of the inodes/],
  ];
  for (const [change, why] of cases) t.match(tooLittle({ ...healthy, ...change }), why);
});

t.test('a missing fact that every kernel has denies', async (t) => {
  const { memory: _memory, ...noMemory } = healthy;
  const { disk: _disk, ...noDisk } = healthy;
  t.match(tooLittle(noMemory), /cannot be found out/);
  t.match(tooLittle(noDisk), /cannot be found out/);
});
