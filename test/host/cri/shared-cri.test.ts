import { spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { constants, createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { connect as connectTo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { sharedCri } from '../../../host/cri/shared-cri.ts';
import { rejectedProblem } from '../../../testbed/failure.ts';
import { message, startCri } from '../../../testbed/simulated/scripted-cri.ts';
import { until } from '../../../testbed/until.ts';

const order = { handler: 'spin', namespace: 'n', name: 'n', uid: 'u', labels: {}, cgroupParent: '' };

/** Counts connections that servers of this process accept. */
const counting = (t: Test): { accepted: number } => {
  const state = { accepted: 0 };
  const count = (): void => {
    state.accepted += 1;
  };
  subscribe('net.server.socket', count);
  t.teardown(() => unsubscribe('net.server.socket', count));
  return state;
};

const stage = async (t: Test) => {
  const runtime = await startCri();
  t.teardown(runtime.remove);
  const connect = sharedCri({ deadlineMs: 20_000 }, 1_000);
  const version = async (): Promise<string> => {
    const cri = connect(runtime.socket);
    try {
      return (await cri.version()).version;
    } finally {
      cri.close();
    }
  };
  return { runtime, connect, version, state: counting(t) };
};

t.test('clients share a connection', async (t) => {
  const { runtime, connect, version, state } = await stage(t);
  const [one, other] = [connect(runtime.socket), connect(runtime.socket)];
  await Promise.all([one.version(), other.sandboxes(), one.containers()]);
  one.close();
  one.close();
  await other.version();
  other.close();
  await version();
  t.equal(state.accepted, 1, 'at the same time, and one after the other');
  await sleep(1_500);
  await version();
  t.equal(state.accepted, 2, 'a rest closes it');
});

t.test('a runtime that was started again has a new connection, and no call fails', async (t) => {
  const { runtime, version, state } = await stage(t);
  await version();
  await runtime.stop();
  await runtime.start();
  t.equal(await version(), 'v2.1.9', 'what is left of the old one is not believed');
  t.equal(state.accepted, 2);
  await runtime.stop();
  t.match(await rejectedProblem(version()), { code: 'runtime-unreachable' });
});

t.test('a process that took over the socket is asked, while the former runtime still answers', async (t) => {
  const { runtime, version } = await stage(t);
  await version();
  const other = await startCri();
  t.teardown(other.remove);
  other.methods.set('Version', () => message([1, '0.1.0'], [2, 'containerd'], [3, 'v2.2.0'], [4, 'v1']));
  renameSync(other.socket, runtime.socket);
  t.equal(await version(), 'v2.2.0');
});

t.test('a call during which the runtime ends is made again, but for the start of a sandbox', async (t) => {
  const { runtime, connect, state } = await stage(t);
  const cri = connect(runtime.socket);
  t.teardown(() => cri.close());
  await cri.version();
  const ends = async (): Promise<void> => {
    await runtime.stop();
    runtime.methods.set('ListContainers', () => message());
    runtime.methods.set('RunPodSandbox', () => message([1, 'second']));
    await runtime.start();
  };
  const dying = async (method: string, act: () => Promise<unknown>): Promise<unknown> => {
    const { calls } = runtime;
    const before = calls.length;
    runtime.methods.set(method, 'hangs');
    const answer = act();
    answer.catch(() => undefined);
    await until(() => calls.length > before);
    await ends();
    return answer;
  };
  t.strictSame(await dying('ListContainers', () => cri.containers()), []);
  await t.rejects(dying('RunPodSandbox', () => cri.startSandbox(order, 20_000)));
  t.equal(runtime.calls.filter((call) => call.startsWith('RunPodSandbox')).length, 1);
  t.equal(state.accepted, 2);
});

/** Stands in for a runtime that never closes a connection. */
const between = async (t: Test, runtime: string) => {
  const path = `${runtime}.between`;
  const clients: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const inner = connectTo(runtime);
    for (const socket of [client, inner]) socket.on('error', () => undefined);
    client.on('close', () => inner.destroy());
    client.pipe(inner).pipe(client, { end: false });
    clients.push(client);
  });
  await new Promise<void>((done) => server.listen(path, done));
  t.teardown(() => {
    for (const client of clients) client.destroy();
    server.close();
  });
  /** Whether the other end is closed for good: half of it would still take this. */
  const isFree = async (client: Socket | undefined): Promise<boolean> => {
    const written = Promise.withResolvers<unknown>();
    client?.write('x', written.resolve);
    const error = await written.promise;
    return error instanceof Error && 'code' in error && error.code === 'EPIPE';
  };
  return { path, clients, isFree };
};

t.test('a connection that is stuck is left after the first call that fails on it', async (t) => {
  const { runtime, connect } = await stage(t);
  const { path, clients, isFree } = await between(t, runtime.socket);
  const cri = connect(path);
  t.teardown(() => cri.close());
  await cri.version();
  clients[0]?.unpipe().pause();
  await t.rejects(cri.startSandbox(order, 100), /did not answer RunPodSandbox/);
  t.equal((await cri.version()).version, 'v2.1.9');
  t.equal(clients.length, 2);
  t.ok(await isFree(clients[0]), 'its descriptor is free');
});

t.test(
  'a connection of which the runtime takes leave is closed, also where the runtime never does',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'rcm-cri-'));
    const runtime = join(folder, 'containerd.sock');
    const state = { leave: 'after' };
    const server = createHttp2();
    server.on('stream', (stream: ServerHttp2Stream) => {
      const { session } = stream;
      const goAway = () => session?.goaway(constants.NGHTTP2_NO_ERROR);
      if (state.leave === 'instead') return goAway();
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.on('close', goAway);
      stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, 3]), message([2, 'x'])]));
    });
    await new Promise<void>((done) => server.listen(runtime, done));
    const { path, clients, isFree } = await between(t, runtime);
    t.teardown(() => {
      server.close();
      rmSync(folder, { recursive: true });
    });
    const cri = sharedCri({ deadlineMs: 100 }, 10)(path);
    for (const count of [1, 2, 3]) {
      t.equal((await cri.version()).name, 'x');
      await sleep(50);
      t.equal(clients.length, count);
    }
    state.leave = 'instead';
    await t.rejects(cri.version(), /did not answer Version/);
    t.equal(clients.length, 4);
    for (const client of clients) t.ok(await isFree(client));
    state.leave = 'after';
    await cri.version();
    cri.close();
    await sleep(100);
    t.ok(await isFree(clients[4]), 'the last one, too');
  },
);

t.test('a connection that stays open keeps no process alive', async (t) => {
  const { runtime } = await stage(t);
  const source = `
    const { sharedCri } = await import(${JSON.stringify(import.meta.resolve('../../../host/cri/shared-cri.ts'))});
    const cri = sharedCri({ deadlineMs: 20_000 })(${JSON.stringify(runtime.socket)});
    console.log((await cri.version()).version);
    const from = performance.now();
    process.on('exit', () => console.log(performance.now() - from < 700 ? 'at once' : 'late'));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (part: Buffer) => {
    said += part.toString();
  });
  await once(child, 'close');
  t.equal(said, 'v2.1.9\nat once\n');
});
