import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';

const first = join(import.meta.dirname, 'plain-promises.ts');
const ends = {
  'throws in a timer': `setTimeout(() => { throw new Error('too late') }, 5)`,
  'rejects and is awaited by nothing': `Promise.reject(new Error('too late'))`,
};

for (const [name, statement] of Object.entries(ends))
  t.test(`a test that ${name} fails, and the error is printed`, async (t) => {
    const text = `
      import t from 'tap';
      t.test('ends badly', async (t) => {
        t.ok(true);
        ${statement};
        await new Promise((done) => setTimeout(done, 100));
      });`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [`--import=${first}`, '--input-type=module', '--eval', text],
      { encoding: 'utf8', cwd: join(import.meta.dirname, '..'), env: { PATH: process.env.PATH } },
    );
    t.not(status, 0);
    t.match(stdout, /^not ok/m);
    t.match(stdout + stderr, /too late/);
  });
