import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { intoMemory } from '../../../host/http/target.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Not what may be freed. */
const used = (): number => {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

t.test('an answer in a million pieces takes no more memory than one in a single piece', async (t) => {
  const count = 1_000_000;
  const got: { bytes?: Buffer } = {};
  const sink = await intoMemory((bytes) => {
    got.bytes = bytes;
  }).open();
  const before = used();
  for (let index = 0; index < count; index++) await sink.write(Buffer.of(index & 0xff));
  const grown = used() - before;
  t.ok(grown < 8 * count, `it took ${(grown / count).toFixed(1)} bytes for each`);
  t.equal((await sink.finish(0o600)).bytes, count);
  t.equal(got.bytes?.length, count);
  t.ok(got.bytes?.every((byte, index) => byte === (index & 0xff)));
});

t.test('what was dropped is not in what comes after it', async (t) => {
  const got: string[] = [];
  const sink = await intoMemory((bytes) => void got.push(bytes.toString())).open();
  await sink.write(Buffer.from('the first'));
  await sink.discard();
  await sink.write(Buffer.from('x'));
  await sink.finish(0o600);
  t.same(got, ['x']);
});
