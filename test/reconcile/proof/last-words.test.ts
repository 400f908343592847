import t from 'tap';
import type { RunResult } from '../../../host/exec.ts';
import { lastWords } from '../../../daemon/reconcile/proof/last-words.ts';
import { bareRoot } from '../../../testbed/simulated/bare-root.ts';

const saying = (t: import('tap').Test, result: Partial<RunResult> | Error) => {
  const { host } = bareRoot(t.testdir({}));
  const ran = { kind: 'ran', code: 0, signal: null, stdout: '', stderr: '', timedOut: false } as const;
  const run = async (): Promise<RunResult> => {
    if (result instanceof Error) throw result;
    return { ...ran, ...result } as RunResult;
  };
  return lastWords({ ...host, tools: { run } }, 'containerd.service', 0);
};

t.test('the last error line is quoted, otherwise the last line', async (t) => {
  const stdout = 'level=error msg="first"\nlevel=fatal msg="the reason"\nlevel=info msg="bye"\n\n';
  t.equal(await saying(t, { stdout }), 'level=fatal msg="the reason"');
  t.equal(await saying(t, { stdout: 'one\ntwo\n' }), 'two');
  t.equal(
    await saying(t, { stdout: 'containerd: failed to load TOML from /etc/x: line 3\nexited\n' }),
    'containerd: failed to load TOML from /etc/x: line 3',
  );
  t.equal((await saying(t, { stdout: `level=error ${'x'.repeat(10_000)}` }))?.length, 300);
});

t.test('an unreadable journal gives no text, and is no failure', async (t) => {
  t.equal(await saying(t, { stdout: '' }), undefined);
  t.equal(await saying(t, { code: 1, stdout: 'x' }), undefined);
  t.equal(await saying(t, { kind: 'not-started', errno: 'ENOENT', message: '' }), undefined);
  t.equal(await saying(t, new Error('no processes')), undefined);
});
