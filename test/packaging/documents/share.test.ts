import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { sharedFiles, writtenFiles } from '../../../packaging/documents/share.ts';

const script = join(import.meta.dirname, '../../../packaging/documents/share.ts');

t.test('the script writes man pages, completions and schemas, of one date the same', async (t) => {
  const folder = t.testdir({});
  const env = { ...process.env, SOURCE_DATE_EPOCH: '1767323045' };
  execFileSync(process.execPath, [script, folder], { env });
  const written = globSync('**/*', { cwd: folder, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(folder.length + 1));
  const date = new Date('2026-01-02T03:04:05Z');
  const [files, bytes] = [sharedFiles(date), writtenFiles(date)];
  t.same(written.toSorted(), Object.keys(bytes).toSorted());
  for (const [path, one] of Object.entries(bytes)) t.ok(readFileSync(join(folder, path)).equals(one), path);
  const zipped = readFileSync(join(folder, 'man/man8/rcm-node.8.gz'));
  t.equal(gunzipSync(zipped).toString(), files['man/man8/rcm-node.8']);
  t.match(files['man/man8/rcm-node.8'], '.Dd January 2, 2026');
  t.match(files['zsh/vendor-completions/_rcm-node'], /^#compdef rcm-node\n/);
});
