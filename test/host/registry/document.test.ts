import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { parseDocument } from '../../../host/registry/document.ts';
import { maxManifestBytes, parseManifest } from '../../../host/registry/manifest.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Of the size that is read of a manifest. */
const full = (piece: string, begin = '', end = ''): Buffer =>
  Buffer.from(
    begin + piece.repeat(Math.floor((maxManifestBytes - begin.length - end.length) / piece.length)) + end,
  );

const hostile: Readonly<Record<string, Buffer>> = {
  'brackets in each other': full('['),
  'empty lists': full('[],', '{"manifests":[', '[]]}'),
  'empty objects': full('{},', '{"schemaVersion":2,"manifests":[', '{}]}'),
  numbers: full('1,', '{"manifests":[', '1]}'),
  keys: Buffer.from(
    JSON.stringify(Object.fromEntries(Array.from({ length: 300_000 }, (_, index) => [`a${index}`, 0]))),
  ),
};

const parsed = (bytes: Buffer): unknown => {
  try {
    return parseManifest(bytes);
  } catch (error) {
    return error;
  }
};

t.test('four megabytes of JSON do not become hundreds in memory', async (t) => {
  for (const [name, bytes] of Object.entries(hostile)) {
    collect();
    const before = process.memoryUsage().heapUsed;
    const problem = problemOf(parsed(bytes));
    t.ok(process.memoryUsage().heapUsed - before < 16 * 1024 ** 2, name);
    t.match(problem, { code: 'bad-archive', message: /more than 100000 values/ }, name);
  }
});

t.test('a long text is one value, and what is no JSON is none', async (t) => {
  const annotations = { note: 'x'.repeat(1_000_000) };
  t.same(parseDocument(Buffer.from(JSON.stringify({ annotations }))), { annotations });
  t.equal(parseDocument(Buffer.from('{')), undefined);
});
