import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import t, { type Test } from 'tap';
import { rejectedProblem } from '../../../testbed/failure.ts';
import { connectCri, endOfCall, loadService, openSocket } from '../../../host/cri/cri.ts';
import {
  healthy,
  message,
  replies,
  type ScriptedCri,
  startCri,
} from '../../../testbed/simulated/scripted-cri.ts';
import { until } from '../../../testbed/until.ts';

/** Not tap's own folder: the path of a socket may have 107 characters at most. */
const freshFolder = (test: { teardown(what: () => unknown): void }): string => {
  const folder = mkdtempSync(join(tmpdir(), 'rcm-cri-'));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const stage = async (test: Test, deadlineMs = 20_000) => {
  const runtime = await startCri();
  test.teardown(runtime.remove);
  const cri = connectCri(runtime.socket, { deadlineMs });
  test.teardown(() => cri.close());
  return { runtime, cri };
};

const connect = (test: Test, socket: string, deadlineMs = 20_000) => {
  const cri = connectCri(socket, { deadlineMs });
  test.teardown(() => cri.close());
  return cri;
};

const says = (runtime: ScriptedCri, ...status: Parameters<typeof replies.status>) =>
  runtime.methods.set('Status', () => replies.status(...status));

t.test('the version, readiness and handlers of a healthy runtime are read', async (t) => {
  const { runtime, cri } = await stage(t);
  t.strictSame(await cri.version(), { name: 'containerd', version: 'v2.1.9', api: 'v1' });
  t.strictSame(await cri.status(), {
    runtimeReady: true,
    reason: '',
    handlers: ['runc', 'spin'],
  });
  t.strictSame(runtime.calls, ['Version', 'Status'], 'and is not asked for its whole configuration');
});

t.test('a runtime that is not ready has a reason, on one line', async (t) => {
  const { runtime, cri } = await stage(t);
  const conditions = [
    ['RuntimeReady', false, 'RuntimeNotReady', 'shim\nis\u001b[31m gone'],
    ['NetworkReady', false, 'NetworkPluginNotReady', 'no CNI'],
  ] as const;
  says(runtime, conditions, ['runc']);
  t.strictSame(await cri.status(), {
    runtimeReady: false,
    reason: 'RuntimeNotReady: shim is gone',
    handlers: ['runc'],
  });
  says(runtime, [], ['runc']);
  t.match(await cri.status(), { runtimeReady: false, reason: 'the runtime gives no RuntimeReady' });
});

t.test('a missing network does not make the runtime unready', async (t) => {
  const { runtime, cri } = await stage(t);
  says(
    runtime,
    [
      ['RuntimeReady', true],
      ['NetworkReady', false, 'NetworkPluginNotReady'],
    ],
    ['runc'],
  );
  t.match(await cri.status(), { runtimeReady: true, reason: '' });
});

t.test('the handlers of containerd before 2.0 are read from its verbose status', async (t) => {
  for (const [what, config, handlers] of [
    [
      'as 1.7 writes it',
      { containerd: { runtimes: { runc: {}, spin: { runtimeType: 'x' } } } },
      ['runc', 'spin'],
    ],
    ['with Go names', { Containerd: { Runtimes: { runc: {}, wasmtime: {} } } }, ['runc', 'wasmtime']],
    ['with no runtimes', { containerd: {} }, 'unknown'],
    ['with a list', { containerd: { runtimes: ['runc'] } }, 'unknown'],
    ['null', null, 'unknown'],
  ] as const)
    t.test(what, async (t) => {
      const { runtime, cri } = await stage(t);
      runtime.methods.set('Status', (request) =>
        replies.status(
          healthy,
          [],
          request.equals(Buffer.from('0801', 'hex')) ? { config: JSON.stringify(config) } : {},
        ),
      );
      t.strictSame((await cri.status()).handlers, handlers);
      t.strictSame(runtime.calls, ['Status', 'Status 0801']);
    });
});

t.test('a runtime that reports no handlers has unknown handlers, not none', async (t) => {
  const { runtime, cri } = await stage(t);
  says(runtime, healthy, []);
  t.equal((await cri.status()).handlers, 'unknown');
  says(runtime, healthy, [], { config: 'sandbox_image = "pause"' });
  t.equal((await cri.status()).handlers, 'unknown');
});

t.test('sandboxes have handler, readiness and exact time', async (t) => {
  const { runtime, cri } = await stage(t);
  runtime.methods.set('ListPodSandbox', () =>
    replies.sandboxes([
      { id: 'a', handler: 'spin', namespace: 'shop', name: 'cart' },
      { id: 'b', ready: false },
    ]),
  );
  t.strictSame(await cri.sandboxes(), [
    {
      id: 'a',
      handler: 'spin',
      ready: true,
      namespace: 'shop',
      name: 'cart',
      labels: { label: 'value' },
      annotations: { annotation: 'text' },
    },
    {
      id: 'b',
      handler: '',
      ready: false,
      namespace: 'default',
      name: 'pod',
      labels: { label: 'value' },
      annotations: { annotation: 'text' },
    },
  ]);
});

t.test('of labels and annotations, only those that are asked for are kept', async (t) => {
  const { runtime, cri } = await stage(t);
  runtime.methods.set('ListPodSandbox', () => replies.sandboxes([{ id: 'a' }]));
  t.match(await cri.sandboxes(['annotation', 'none']), [{ id: 'a', annotations: { annotation: 'text' } }]);
  t.match(await cri.sandboxes(['label']), [{ labels: { label: 'value' } }]);
  t.strictSame((await cri.sandboxes([]))[0]?.labels, {});
});

t.test('containers have their sandbox, and an unknown state is unknown', async (t) => {
  const { runtime, cri } = await stage(t);
  runtime.methods.set('ListContainers', () =>
    replies.containers([0, 1, 2, 3, 9].map((state) => ({ id: `c${state}`, sandbox: 's', state }))),
  );
  const containers = await cri.containers();
  t.strictSame(containers[0], { id: 'c0', sandbox: 's', state: 'created' });
  t.strictSame(
    containers.map((container) => container.state),
    ['created', 'running', 'exited', 'unknown', 'unknown'],
  );
});

t.test('a sandbox is created in the network of the host, with its handler, and removed', async (t) => {
  const { runtime, cri } = await stage(t);
  runtime.methods.set('RunPodSandbox', () => message([1, 'id-1']));
  runtime.methods.set('StopPodSandbox', { error: 'NOT_FOUND', text: 'as containerd 1.6 says it' });
  const order = {
    handler: 'spin',
    namespace: 'rcm-node.proof',
    name: 'spin',
    uid: 'u-1',
    labels: { 'rcm.spinkube.dev/proof': 'spin' },
    cgroupParent: 'system.slice',
  };
  t.equal(await cri.startSandbox(order, 20_000), 'id-1');
  await cri.removeSandbox('id-1', 20_000);
  const wire = message(
    [
      1,
      message(
        [1, message([1, 'spin'], [2, 'u-1'], [3, 'rcm-node.proof'])],
        [6, message([1, 'rcm.spinkube.dev/proof'], [2, 'spin'])],
        // The network is the host's (NODE), pid and ipc are the sandbox's own (POD).
        [8, message([1, 'system.slice'], [2, message([1, message([1, 2], [2, 0], [3, 0])])])],
      ),
    ],
    [2, 'spin'],
  );
  const one = message([1, 'id-1']).toString('hex');
  t.strictSame(runtime.calls, [
    `RunPodSandbox ${wire.toString('hex')}`,
    `StopPodSandbox ${one}`,
    `RemovePodSandbox ${one}`,
  ]);
});

t.test('the image service is asked whether an image is present, and nothing is pulled', async (t) => {
  const { runtime, cri } = await stage(t);
  t.equal(await cri.hasImage('registry.k8s.io/pause:3.10'), false);
  runtime.methods.set('ImageStatus', () => message([1, message([1, 'sha256:1'])]));
  t.equal(await cri.hasImage('registry.k8s.io/pause:3.10'), true);
  t.match(runtime.calls, [/^ImageStatus /, /^ImageStatus /]);
});

t.test('the end of a call is distinguished: refused, late, or without an answer', async (t) => {
  const { runtime, cri } = await stage(t);
  const order = { handler: 'x', namespace: 'n', name: 'x', uid: 'u', labels: {}, cgroupParent: '' };
  const end = async (ms = 20_000) => endOfCall(await cri.startSandbox(order, ms).catch((error) => error));
  // The words of containerd 2.1.9 for a shim that is `exit 0`.
  const text =
    'failed to start shim: start failed: failed to create TTRPC connection: dial unix \0: connect: connection refused';
  runtime.methods.set('RunPodSandbox', { error: 'UNKNOWN', text });
  t.equal(await end(), 'refused');
  runtime.methods.set('RunPodSandbox', { error: 'DEADLINE_EXCEEDED', text: 'context deadline exceeded' });
  t.equal(await end(), 'refused', 'its own deadline is an answer');
  runtime.methods.set('RunPodSandbox', 'hangs');
  t.equal(await end(100), 'late');
  for (const error of ['UNAVAILABLE', 'RESOURCE_EXHAUSTED'] as const) {
    runtime.methods.set('RunPodSandbox', { error, text: '' });
    t.equal(await end(), 'silent');
  }
  await runtime.stop();
  t.equal(await end(), 'silent');
  t.equal(endOfCall(new Error('a defect')), 'silent');
});

t.test('the loaded configuration is returned as printed, or not at all', async (t) => {
  const { runtime, cri } = await stage(t);
  const loaded = { sandboxImage: 'pause:1', containerd: { runtimes: {} } };
  says(runtime, healthy, ['runc'], { config: JSON.stringify(loaded) });
  t.strictSame(await cri.configuration(), loaded);
  says(runtime, healthy, ['runc'], { config: 'sandboxImage = 1' });
  t.equal(await cri.configuration(), null);
  says(runtime, healthy, ['runc']);
  t.equal(await cri.configuration(), null);
});

t.test('an answer of many megabytes is read whole', async (t) => {
  const { runtime, cri } = await stage(t);
  const name = 'x'.repeat(8_000);
  runtime.methods.set('ListPodSandbox', () =>
    replies.sandboxes(Array.from({ length: 2_500 }, (_, i) => ({ id: String(i), name }))),
  );
  t.equal((await cri.sandboxes()).length, 2_500);
});

t.test('reasons for an unreachable runtime are distinguished', async (t) => {
  t.test('no socket', async (t) => {
    const socket = join(freshFolder(t), 'containerd.sock');
    t.strictSame(await rejectedProblem(connect(t, socket).version()), {
      code: 'runtime-unreachable',
      message: `there is no socket ${socket}`,
    });
  });

  t.test('no process listens', async (t) => {
    const socket = join(freshFolder(t), 'containerd.sock');
    writeFileSync(socket, '');
    t.strictSame(await rejectedProblem(connect(t, socket).status()), {
      code: 'runtime-unreachable',
      message: `no process listens on ${socket}`,
    });
  });

  t.test('the CRI plugin is dead', async (t) => {
    const runtime = await startCri({ service: null });
    t.teardown(runtime.remove);
    t.match(await rejectedProblem(connect(t, runtime.socket).status()), {
      code: 'runtime-unreachable',
      message: /answers but serves no CRI: its CRI plugin is disabled or failed to start/,
    });
  });

  t.test('the CRI plugin is dead, with the message of containerd', async (t) => {
    const { runtime, cri } = await stage(t);
    const text = 'unknown service runtime.v1.RuntimeService';
    runtime.methods.set('Version', { error: 'UNIMPLEMENTED', text });
    t.match(await rejectedProblem(cri.version()), { message: /serves no CRI/, detail: text });
  });

  t.test('an older CRI without the method', async (t) => {
    const { runtime, cri } = await stage(t);
    runtime.methods.set('Version', { error: 'UNIMPLEMENTED', text: 'unknown method Version' });
    t.match(await rejectedProblem(cri.version()), { message: /does not know Version/ });
  });

  t.test('it hangs', async (t) => {
    const { runtime, cri } = await stage(t, 200);
    runtime.methods.set('Status', 'hangs');
    t.match(await rejectedProblem(cri.status()), {
      code: 'runtime-unreachable',
      message: /did not answer Status within 200 ms/,
    });
  });

  t.test('a listener never answers', async (t) => {
    const socket = join(freshFolder(t), 'mute.sock');
    const open: Socket[] = [];
    const server = createServer((socket) => open.push(socket));
    await new Promise<void>((done) => server.listen(socket, done));
    t.teardown(() => {
      for (const one of open) one.destroy();
      server.close();
    });
    t.match(await rejectedProblem(connect(t, socket, 200).status()), {
      message: /did not answer Status within 200 ms/,
    });
  });

  t.test('a listener speaks another protocol', async (t) => {
    const socket = join(freshFolder(t), 'http.sock');
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((done) => server.listen(socket, done));
    t.teardown(() => server.close());
    t.match(await rejectedProblem(connect(t, socket, 2_000).status()), { code: 'runtime-unreachable' });
  });

  t.test('it answers with invalid bytes', async (t) => {
    const { runtime, cri } = await stage(t);
    runtime.methods.set('Status', () => Buffer.from('ffffffffff', 'hex'));
    t.match(await rejectedProblem(cri.status()), { code: 'runtime-unreachable', message: /refused Status/ });
  });

  t.test('it answers with an error of its own', async (t) => {
    const { runtime, cri } = await stage(t);
    runtime.methods.set('Version', { error: 'UNKNOWN', text: 'server is not initialized yet' });
    t.match(await rejectedProblem(cri.version()), {
      message: /refused Version \(UNKNOWN\)$/,
      detail: 'server is not initialized yet',
    });
  });
});

t.test('after a restart of the runtime the same client reaches it', async (t) => {
  const { runtime, cri } = await stage(t);
  await cri.version();
  await runtime.stop();
  t.match(await rejectedProblem(cri.version()), { code: 'runtime-unreachable' });
  await runtime.start();
  await until(() =>
    cri.version().then(
      () => true,
      () => false,
    ),
  );
  t.match(await cri.version(), { version: 'v2.1.9' });
});

t.test('a process with an unanswered call ends by itself', async (t) => {
  const { runtime } = await stage(t);
  runtime.methods.set('Status', 'hangs');
  const source = `
    const { connectCri } = await import(${JSON.stringify(import.meta.resolve('../../../host/cri/cri.ts'))});
    const cri = connectCri(${JSON.stringify(runtime.socket)}, { deadlineMs: 500 });
    console.log((await cri.version()).name, await cri.status().catch((error) => error.problem.code));
    cri.close();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: string[] = [];
  child.stdout.on('data', (data) => said.push(String(data)));
  t.strictSame(await once(child, 'close'), [0, null]);
  t.equal(said.join(''), 'containerd runtime-unreachable\n');
});

t.test('further services can be declared and called on the same building blocks', async (t) => {
  const runtime = await startCri();
  t.teardown(runtime.remove);
  const descriptor = {
    RuntimeService: { methods: { Version: { requestType: 'Ask', responseType: 'Told' } } },
    Ask: { fields: { version: { type: 'string', id: 1 } } },
    Told: { fields: { runtime_version: { type: 'string', id: 3 }, absent: { type: 'int64', id: 90 } } },
  };
  const service = loadService(descriptor, 'runtime.v1.RuntimeService');
  const socket = openSocket(runtime.socket, { deadlineMs: 20_000 });
  t.teardown(() => socket.close());
  t.strictSame(await socket.call<unknown>(service, 'Version', { version: 'v1' }), {
    runtime_version: 'v2.1.9',
    absent: '0',
  });
  t.strictSame(runtime.calls, ['Version 0a027631']);
  t.throws(() => loadService(descriptor, 'runtime.v1.ImageService'), /no service runtime\.v1\.ImageService/);
  t.match(await rejectedProblem(socket.call(service, 'Nonsense', {})), { code: 'internal' });
});

t.test('nothing is read from the disk at run time', async (t) => {
  const folder = freshFolder(t);
  await build({
    entryPoints: [new URL('../../../host/cri/cri.ts', import.meta.url).pathname],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile: join(folder, 'cri.cjs'),
    logLevel: 'silent',
  });
  const runtime = await startCri();
  t.teardown(runtime.remove);
  const child = spawn(
    process.execPath,
    [
      '-e',
      `const { connectCri } = require('./cri.cjs');
       const cri = connectCri(${JSON.stringify(runtime.socket)}, { deadlineMs: 20000 });
       cri.status().then((found) => { console.log(found.handlers.join()); cri.close(); });`,
    ],
    { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const said: string[] = [];
  child.stdout.on('data', (data) => said.push(String(data)));
  t.strictSame(await once(child, 'close'), [0, null]);
  t.equal(said.join(''), 'runc,spin\n');
});
