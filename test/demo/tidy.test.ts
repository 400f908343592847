import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

/** As a process of its own: it is made for its end. */
const tidied = (folder: string): void => {
  const tidy = join(import.meta.dirname, '../../demo/tidy.ts');
  execFileSync(process.execPath, ['-e', `require(${JSON.stringify(tidy)}).tidyAtExit(() => undefined)`], {
    env: { ...process.env, HOME: join(folder, 'home'), TMPDIR: join(folder, 'shared') },
    stdio: 'ignore',
  });
};

t.test('what a killed demo left goes, and what only has such a name stays', async (t) => {
  const folder = t.testdir({ home: {}, shared: {}, theirs: { file: 'x' } });
  const shared = (name: string): string => join(folder, 'shared', name);
  // No process has such an id.
  for (const [name, mode] of [
    ['rcm-demo-99999999-left', 0o700],
    ['rcm-demo-99999999-open', 0o755],
    [`rcm-demo-${process.pid}-alive`, 0o700],
  ] as const) {
    mkdirSync(shared(name));
    writeFileSync(join(shared(name), 'file'), 'x');
    chmodSync(shared(name), mode);
  }
  symlinkSync(join(folder, 'theirs'), shared('rcm-demo-99999999-link'));
  tidied(folder);
  t.same(
    new Set(readdirSync(join(folder, 'shared'))),
    new Set(['rcm-demo-99999999-link', 'rcm-demo-99999999-open', `rcm-demo-${process.pid}-alive`]),
  );
  t.same(readdirSync(join(folder, 'theirs')), ['file']);
});
