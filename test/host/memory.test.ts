import { execFileSync } from 'node:child_process';
import t from 'tap';

/** Bytes of the heap of a process of its own: the tests of this one share theirs. */
const measured = (how: string): { readonly full: number; readonly used: number; readonly after: number } => {
  const source = `
    import { releaseMemory } from ${JSON.stringify(import.meta.resolve('../../host/memory.ts'))};
    const kept = Array.from({ length: 400_000 }, (_, at) => ({ at, text: 'x' + at }));
    const full = process.memoryUsage().heapTotal;
    kept.length = 0;
    releaseMemory('${how}');
    const used = process.memoryUsage().heapUsed;
    console.log(JSON.stringify({ full, used, after: process.memoryUsage().heapTotal }));`;
  const argv = ['--input-type=module', '-e', source];
  return JSON.parse(execFileSync(process.execPath, argv, { encoding: 'utf8' }));
};

t.test('what is no longer used goes back to the host', async (t) => {
  const { full, after } = measured('whole');
  t.ok(full > 25e6, `${full} bytes`);
  t.ok(after < full / 2, `${after} of ${full} bytes`);
});

t.test('a usual collection leaves no garbage', async (t) => {
  const { full, used } = measured('usual');
  t.ok(used < full / 2, `${used} of ${full} bytes`);
});
