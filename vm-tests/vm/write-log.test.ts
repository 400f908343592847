/** The disk of a machine after so many of its writes, rebuilt from what qemu recorded. Nothing boots: qemu-io writes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { run } from '../../testbed/machine/command.ts';
import { vmTools } from '../../testbed/vm/tools.ts';
import { recorded, replay, writesOf } from '../../testbed/vm/write-log.ts';

t.test('a disk is rebuilt, as it was after each write', async (t) => {
  const folder = t.testdir({ disk: Buffer.alloc(1 << 20, 7), log: '' });
  const [disk, log, rebuilt] = ['disk', 'log', 'rebuilt'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const commands = ['write -P 1 0 64k', 'flush', 'write -P 2 32k 64k', 'write -z 512 512', 'discard 128k 4k'];
  const qemuIo = (await vmTools((line) => t.comment(line)))('qemu-io');
  const words = commands.flatMap((command) => ['-c', command]);
  await run([...qemuIo, ...words, `json:${JSON.stringify({ discard: 'unmap', ...recorded(disk, log) })}`]);
  const writes = writesOf(log);
  const content = (at: number): number => readFileSync(rebuilt)[at] ?? -1;
  const seen = (
    await Promise.all(
      [...writes.keys(), writes.length].map(async (count) => {
        writeFileSync(rebuilt, Buffer.alloc(1 << 20, 7));
        replay(log, writes.slice(0, count), rebuilt);
        return [0, 512, 40_000, 70_000, 200_000].map(content);
      }),
    )
  ).map((row) => row.join(' '));
  t.same(
    [...new Set(seen)],
    ['7 7 7 7 7', '1 1 1 7 7', '1 1 2 2 7', '1 0 2 2 7'],
    'one change after the other',
  );
  t.ok(
    writes.some(({ flush }) => flush),
    'the machine waited for the disk',
  );
  t.same(readFileSync(rebuilt), readFileSync(disk), 'in the end as the disk itself');

  t.same(writesOf(log).length, writes.length);
  writeFileSync(log, readFileSync(log).subarray(0, 3000));
  t.throws(() => replay(log, writes, rebuilt), /ends within a write/);
  writeFileSync(log, Buffer.alloc(512));
  t.throws(() => writesOf(log), /is no log of writes/);
});
