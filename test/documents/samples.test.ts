/** Examples of Shims in documents are the sample files themselves, which people apply. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { exampleOf } from '../../cli/shims/example.ts';
import type { Prepared } from '../../daemon/model/desired.ts';
import { parseSettings } from '../../daemon/model/settings.ts';
import { parseShimResource } from '../../daemon/shims/resource.ts';
import { blocksOf, files, present, root, textOf } from './documents.ts';

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

/** Of what a table is made, in which a prepared handler and a Shim must be equal. */
const tableOf = ({ runtime, options, podAnnotations, containerAnnotations }: Prepared) => ({
  type: runtime.type,
  binary: runtime.type === 'oci' && runtime.binary,
  options,
  podAnnotations,
  containerAnnotations,
});

t.test('a handler that a document prepares has the table of the sample with this handler', async (t) => {
  const samples = files
    .filter((path) => /^bootstrap\/samples\/shim-.*\.yaml$/.test(path))
    .map((path) =>
      parseShimResource(parse(textOf(path)), { machine: 'amd64', allowUnpinned: true, allowedHosts: [] }),
    );
  let count = 0;
  const shown = present.flatMap(blocksOf).filter((one) => /^\s*prepare = /m.test(one.body));
  // The settings of all nodes are in a ConfigMap.
  for (const { at, body, language } of shown)
    for (const entry of parseSettings(language === 'yaml' ? parse(body).data['config.toml'] : body, at)
      .prepare) {
      const sample = samples.find(({ name }) => name === entry.name);
      if (sample === undefined) continue;
      count += 1;
      t.strictSame(tableOf(entry), tableOf(sample), `${at}: ${entry.name}`);
    }
  t.ok(count > 2, `${count} handlers`);
});
