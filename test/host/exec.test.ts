import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { makeTools } from '../../host/exec.ts';
import { until } from '../../testbed/until.ts';

const tools = makeTools();
const sh = (script: string): [string, ...string[]] => ['/bin/sh', '-c', script];

const script = async (folder: string, text: string, mode = 0o755): Promise<string> => {
  const path = join(folder, 'program');
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
};

/** Gone, or a zombie that its new parent has not collected yet. */
const isDead = async (pid: number): Promise<boolean> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat === '' || /\) [ZX] /.test(stat);
};

t.test('output, exit code and both streams are returned', async (t) => {
  t.same(await tools.run(sh('printf "a\\n\\n"; echo b >&2; exit 3'), { deadlineMs: 20_000 }), {
    kind: 'ran',
    code: 3,
    signal: null,
    stdout: 'a\n\n',
    stderr: 'b\n',
    timedOut: false,
  });
});

t.test('arguments are not read by a shell', async (t) => {
  const result = await tools.run(['/bin/echo', '$(id); `id` * "'], { deadlineMs: 20_000 });
  t.match(result, { stdout: '$(id); `id` * "\n' });
});

t.test('only PATH is inherited, and what is given is added', async (t) => {
  process.env.RCM_TEST_SECRET = 'secret';
  t.teardown(() => delete process.env.RCM_TEST_SECRET);
  const result = await tools.run(['env', '-0'], { deadlineMs: 20_000, env: { GIVEN: 'yes' } });
  const lines = result.kind === 'ran' ? result.stdout.split('\0').filter((line) => line !== '') : [];
  const names = lines.map((line) => line.split('=')[0] ?? '').sort();
  // The test runner adds its own to whatever a test starts.
  t.same(
    names.filter((name) => !name.startsWith('_TAPJS') && name !== 'NODE_OPTIONS'),
    ['GIVEN', 'PATH'],
  );
});

t.test('standard input is what is given, or empty, and a program need not read it', async (t) => {
  t.match(await tools.run(['cat'], { deadlineMs: 20_000, input: 'a\nb' }), { stdout: 'a\nb', code: 0 });
  t.match(await tools.run(['cat'], { deadlineMs: 20_000 }), { stdout: '', code: 0 });
  const much = 'x'.repeat(4_000_000);
  t.match(await tools.run(sh('exec <&-; echo done'), { deadlineMs: 20_000, input: much }), {
    stdout: 'done\n',
    code: 0,
  });
  t.match(await tools.run(sh('sleep 100'), { deadlineMs: 200, input: much }), { timedOut: true });
});

t.test('it runs in / by default', async (t) => {
  const folder = t.testdir();
  t.match(await tools.run(['pwd'], { deadlineMs: 20_000 }), { stdout: '/\n' });
  t.match(await tools.run(['pwd'], { deadlineMs: 20_000, cwd: folder }), { stdout: `${folder}\n` });
});

t.test('a program that cannot be started is a result with a reason', async (t) => {
  const folder = t.testdir();
  t.match(await tools.run(['/no/such/program'], { deadlineMs: 20_000 }), {
    kind: 'not-started',
    errno: 'ENOENT',
  });
  const locked = await script(folder, '#!/bin/sh\n', 0o644);
  t.match(await tools.run([locked], { deadlineMs: 20_000 }), { kind: 'not-started', errno: 'EACCES' });
  t.match(await tools.run(['pwd'], { deadlineMs: 20_000, cwd: '/no/such/folder' }), { kind: 'not-started' });
  t.match(await tools.run(['with\0nul'], { deadlineMs: 20_000 }), { kind: 'not-started' });
});

t.test('at the deadline the program and its children are ended', async (t) => {
  const folder = t.testdir();
  const note = join(folder, 'pid');
  const result = await tools.run(sh(`echo begun; sleep 600 & echo $! > ${note}; wait`), { deadlineMs: 1000 });
  t.match(result, { kind: 'ran', code: null, signal: 'SIGTERM', timedOut: true, stdout: 'begun\n' });
  t.ok(await isDead(Number(await readFile(note, 'utf8'))), 'the child is gone too');
});

t.test('a program that ignores SIGTERM is killed', async (t) => {
  const result = await tools.run(sh('trap "" TERM; while :; do sleep 1; done'), { deadlineMs: 800 });
  t.match(result, { code: null, signal: 'SIGKILL', timedOut: true });
});

t.test('a program that cannot be killed is left, and the wait for it ends', async (t) => {
  // Stands in for a process that waits for a device: signals do nothing.
  const { kill } = process;
  const pids: number[] = [];
  process.kill = (pid) => {
    pids.push(pid);
    return true;
  };
  const end = () => {
    process.kill = kill;
    for (const pid of new Set(pids.splice(0))) kill(pid, 'SIGKILL');
  };
  t.teardown(end);
  const result = await tools.run(sh('echo begun; exec sleep 600'), { deadlineMs: 1000 });
  t.match(result, { kind: 'ran', code: null, stdout: 'begun\n', stderr: /was left/, timedOut: true });
  const again = await tools.run(sh('echo begun'), { deadlineMs: 20_000 });
  const why = /^\(not started: process \d+ of it cannot be killed\)$/;
  t.match(again, { kind: 'ran', code: null, stdout: '', stderr: why, timedOut: true }, 'no second one hangs');
  end();
  // Once it has ended.
  await until(async () => {
    const after = await tools.run(sh('echo begun'), { deadlineMs: 20_000 });
    return after.kind === 'ran' && after.code === 0;
  });
});

t.test('a child that left the session and holds the pipes open causes no wait', async (t) => {
  const folder = t.testdir();
  const note = join(folder, 'pid');
  const result = await tools.run(
    sh(`setsid sh -c 'echo $$ > ${note}; exec sleep 600' & sleep 0.2; echo done`),
    {
      deadlineMs: 600_000,
    },
  );
  t.match(result, { code: 0, stdout: 'done\n', timedOut: false });
  const pid = existsSync(note) ? Number(await readFile(note, 'utf8')) : 0;
  if (pid > 0) process.kill(pid);
});

t.test('a program that writes without end is stopped, and that is no success', async (t) => {
  const result = await tools.run(sh('while :; do echo 0123456789; done'), {
    deadlineMs: 600_000,
    maxOutputBytes: 1000,
  });
  t.match(result, { kind: 'ran', code: null, timedOut: false, stderr: /more than 1000 bytes/ });
  t.equal(result.kind === 'ran' && result.stdout.length, 1000);
  const short = await tools.run(sh('printf 0123456789; exit 0'), { deadlineMs: 600_000, maxOutputBytes: 5 });
  t.match(short, { kind: 'ran', code: null, stdout: '01234' });
});

t.test('the end by its own signal is distinguished from being stopped', async (t) => {
  const result = await tools.run(sh('kill -SEGV $$'), { deadlineMs: 20_000 });
  t.match(result, { code: null, signal: 'SIGSEGV', timedOut: false });
});

/** Runs a program of Node in which `tools` is ours, by the shell, which can lower limits first. */
const limited = (limits: string, source: string) => {
  const from = JSON.stringify(import.meta.resolve('../../host/exec.ts'));
  const program = `
    import { openSync, closeSync, readFileSync } from 'node:fs';
    const { makeTools } = await import(${from});
    const tools = makeTools();
    const run = (program = '/bin/true') => tools.run([program], { deadlineMs: 20_000 }).then(
      (result) => result.kind,
      (error) => error.problem?.code + ': ' + error.message,
    );
    ${source}`;
  const shell = `${limits}; exec "$0" --input-type=module -e "$1"`;
  return tools.run(['/bin/sh', '-c', shell, process.execPath, program], { deadlineMs: 60_000 });
};

t.test('without a free file descriptor it says so, and goes on when there is one', async (t) => {
  const source = `
    const open = [];
    console.log(await run());
    try { for (;;) open.push(openSync('/dev/null')); } catch {}
    console.log(await run());
    console.log(await run('/proc/1/exe'));
    for (const one of open) closeSync(one);
    console.log(await run());`;
  const why = 'was not started: this process has as many open files as it may (EMFILE)';
  t.match(await limited('ulimit -n 80', source), {
    code: 0,
    stderr: '',
    stdout: `ran\nout-of-resources: /bin/true ${why}\nout-of-resources: /proc/1/exe ${why}\nran\n`,
  });
});

t.test(
  'without room for another process it says so',
  { skip: process.getuid?.() === 0 ? false : 'needs root, to become a user who has a limit' },
  async (t) => {
    const source = `
      process.setgid(54_321);
      process.setuid(54_321);
      console.log(await run());`;
    t.match(await limited('ulimit -p 1', source), {
      code: 0,
      stdout: /^out-of-resources: .*as many processes as there may be \(EAGAIN\)\n$/,
    });
  },
);

t.test('the program of a process is run only if only root can have written that file', async (t) => {
  const folder = t.testdir({});
  const copy = join(folder, 'sleep');
  await writeFile(copy, await readFile('/bin/sleep'));
  await chmod(copy, 0o755);
  const child = spawn(copy, ['60']);
  t.teardown(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  const program = `/proc/${child.pid}/exe`;
  const version = () => tools.run([program, '--version'], { deadlineMs: 20_000 });
  t.match(await version(), { kind: 'ran', code: 0, stdout: /sleep/ });
  rmSync(copy);
  t.match(await version(), { kind: 'ran', code: 0 }, 'also when it was replaced');
  const open = join(folder, 'open');
  await writeFile(open, await readFile('/bin/sleep'));
  await chmod(open, 0o777);
  const other = spawn(open, ['60']);
  t.teardown(() => other.kill('SIGKILL'));
  await once(other, 'spawn');
  await t.rejects(
    tools.run([`/proc/${other.pid}/exe`, '--version'], { deadlineMs: 20_000 }),
    /not only root can change it/,
  );
  t.match(await tools.run(['/proc/999999999/exe'], { deadlineMs: 20_000 }), {
    kind: 'not-started',
    errno: 'ENOENT',
  });
});
