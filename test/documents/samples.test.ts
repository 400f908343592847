/** Examples of Shims in documents are the sample files themselves, which people apply. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { exampleOf } from '../../cli/shims/example.ts';
import { blocksOf, present, root, textOf } from './documents.ts';

t.test('a block that is marked as a file is equal to that file', async (t) => {
  const copies = present.flatMap(blocksOf).filter(({ file }) => file !== undefined);
  t.ok(copies.length > 0);
  for (const { at, file = '', body } of copies) {
    t.ok(existsSync(join(root, file)), `${at}: ${file}`);
    t.equal(body, textOf(file), `${at}: ${file}`);
  }
});

t.test('a whole Shim is shown only as a copy of a sample', async (t) => {
  for (const { at, file, body } of present.flatMap(blocksOf))
    if (/^kind: Shim$|fetchStrategy/m.test(body))
      t.ok(file, `${at}: link to a file of bootstrap/samples, or show it`);
});

const local = 'bootstrap/samples/local-spin-v2.toml';

t.test('the local file is the example that the program prints', async (t) => {
  const text = textOf('bootstrap/samples/shim-spin.yaml');
  t.equal(
    textOf(local),
    exampleOf({ name: 'spin', text }),
    `npx node cli/main.ts shim example spin > ${local}`,
  );
});
