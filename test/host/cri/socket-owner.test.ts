import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { mustBeRootsSocket } from '../../../host/cri/socket-owner.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { askCri } from '../../../daemon/reconcile/observe/runtime.ts';
import { bareRoot } from '../../../testbed/simulated/bare-root.ts';
import { startCri } from '../../../testbed/simulated/scripted-cri.ts';

const notRoot = process.getuid?.() === 0 ? false : 'needs root, to give a socket to another user';
const another = 54_321;
// Sockets are made below the folder for temporary files, which is not root's alone.
if (!notRoot) process.env.TMPDIR = '/run';

const listen = async (t: Test): Promise<string> => {
  // Not tap's own folder: the path of a socket may have 107 characters at most.
  const folder = mkdtempSync(join(tmpdir(), 'rcm-owner-'));
  const server = createServer();
  t.teardown(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const path = join(folder, 'socket');
  await new Promise<void>((done) => server.listen(path, done));
  return path;
};

const refusal = (path: string): unknown => {
  try {
    mustBeRootsSocket(path);
    return undefined;
  } catch (error) {
    return problemOf(error);
  }
};

t.test('a socket in a folder for all is refused', async (t) => {
  process.env.TMPDIR = '/tmp';
  const path = await listen(t);
  process.env.TMPDIR = '/run';
  t.match(refusal(path), { code: 'untrusted', message: /\/tmp has mode/ });
});

t.test(
  'a socket of root is accepted, and a missing one is left to the call',
  { skip: notRoot },
  async (t) => {
    const path = await listen(t);
    t.equal(refusal(path), undefined);
    t.equal(refusal(`${path}-that-is-not-there`), undefined);
  },
);

t.test('a link that leads round is said to be one', async (t) => {
  const path = join(t.testdir({}), 'round');
  symlinkSync('round', path);
  t.match(refusal(path), { code: 'runtime-unreachable', message: /round cannot be looked at: ELOOP/ });
});

t.test('a socket that is made anew all the time is a missing one at worst', { skip: notRoot }, async (t) => {
  const path = await listen(t);
  const again = `for (const { rmSync, writeFileSync } = require('node:fs'); ; ) { rmSync('${path}', { force: true }); writeFileSync('${path}', ''); process.stdout.write('.'); }`;
  const child = spawn(process.execPath, ['-e', again], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.stdout.resume();
  const codes = new Set<unknown>();
  for (const end = performance.now() + 500; performance.now() < end; await setImmediate()) {
    const { code } = (refusal(path) ?? {}) as { readonly code?: string };
    codes.add(code);
  }
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.same([...codes], [undefined]);
});

t.test('a socket that another user made is refused, with its owner', { skip: notRoot }, async (t) => {
  const path = await listen(t);
  chownSync(path, another, 0);
  t.match(refusal(path), { code: 'runtime-unreachable', message: `${path} belongs to uid ${another}` });
});

t.test('a runtime of another user is not asked', { skip: notRoot }, async (t) => {
  const runtime = await startCri();
  t.teardown(runtime.remove);
  const { host } = bareRoot('/');
  t.match(await askCri(host, runtime.socket), { fact: { kind: 'answers' } });
  const { length } = runtime.calls;
  chownSync(runtime.socket, another, 0);
  t.match(await askCri(host, runtime.socket), {
    fact: { kind: 'silent', why: /belongs to uid 54321, not to root/ },
    version: '',
  });
  t.equal(runtime.calls.length, length);
});
