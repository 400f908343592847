import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { folder, render, schemas } from '../../../packaging/documents/schemas.ts';

t.test('docs/schema/ is what is made of the sources', async (t) => {
  t.same(readdirSync(folder).toSorted(), Object.keys(schemas).toSorted());
  for (const [file, schema] of Object.entries(schemas))
    t.equal(
      readFileSync(join(folder, file), 'utf8'),
      render(schema()),
      'stale: npx node packaging/documents/schemas.ts',
    );
});
