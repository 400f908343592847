/** What packaging/monitoring/write.ts writes is in step with its tables, and a copy with other links can be had. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { plainRules } from '../../../packaging/monitoring/rules.ts';
import { written } from '../../../packaging/monitoring/write.ts';
import { root, textOf } from '../../documents/documents.ts';

t.test('each file is in step: node packaging/monitoring/write.ts writes it', async (t) => {
  for (const [path, text] of Object.entries(written)) t.equal(textOf(path), text(), path);
});

t.test('the rules are written elsewhere, with links to where the documents are', async (t) => {
  const to = join(t.testdir({}), 'new');
  const script = join(root, 'packaging/monitoring/write.ts');
  const run = (...argv: readonly string[]) =>
    spawnSync(process.execPath, [script, ...argv], { encoding: 'utf8' });
  const documents = 'https://git.example.com/docs';
  t.equal(run('--documents', documents, '--to', to).status, 0);
  t.same(readdirSync(to).sort(), ['controller-rules.yaml', 'nodes-rules.yaml', 'rcm-node.rules.yaml']);
  t.equal(readFileSync(join(to, 'rcm-node.rules.yaml'), 'utf8'), plainRules(documents));
  t.match(run('--to', to).stderr, /belong together/);
});
