import t, { type Test } from 'tap';
import type { ContainerFact, Cri } from '../../../host/cri/cri.ts';
import type { Host } from '../../../host/host.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { quiet } from '../../../daemon/reconcile/proof/activation.ts';
import { fakeHost } from '../../../testbed/simulated/fake.ts';

const socket = '/run/containerd/containerd.sock';

type Look = 'slow' | readonly ContainerFact['state'][];

/** A host whose runtime answers the looks one after the other, the last one again and again. */
const answering = (t: Test, ...looks: readonly Look[]) => {
  const fake = fakeHost({ root: t.testdir({ etc: {} }), version: '2.1.4' });
  const state = { asked: 0 };
  const cri: Cri = {
    ...fake.host.cri(socket),
    version: () => Promise.reject(new Error('this is not asked for')),
    status: () => Promise.reject(new Error('this is not asked for')),
    sandboxes: async () => [],
    containers: async () => {
      const look = looks[Math.min(state.asked, looks.length - 1)] ?? [];
      state.asked += 1;
      if (look === 'slow') {
        fake.advance(5000);
        const message = `the runtime on ${socket} did not answer ListContainers within 5000 ms`;
        throw new Failure({ code: 'runtime-unreachable', message });
      }
      return look.map((one, at) => ({ id: `c${at}`, sandbox: 's', state: one }));
    },
    close: () => undefined,
  };
  const host: Host = { ...fake.host, cri: () => cri };
  const waited = async (seconds = 30): Promise<number> => {
    await quiet(host, socket, seconds);
    return fake.host.clock.elapsed();
  };
  return { waited, state, lines: fake.lines };
};

t.test('two equal observations without a container being created are quiet', async (t) => {
  const { waited, state, lines } = answering(t, ['running', 'exited']);
  t.ok((await waited()) < 1000);
  t.equal(state.asked, 2);
  t.same(lines, []);
});

t.test('it waits while containers are being created, or come', async (t) => {
  const { waited, state } = answering(t, ['created'], ['running', 'running'], ['running', 'running']);
  await waited();
  t.equal(state.asked, 3);
});

t.test('a runtime that is too busy to answer is not quiet', async (t) => {
  const { waited, state, lines } = answering(t, 'slow', 'slow', ['created'], ['running']);
  t.ok((await waited()) > 10_000);
  t.equal(state.asked, 4);
  t.same(lines, []);
});

t.test('observations before and after a silence are not compared', async (t) => {
  const { waited, state } = answering(t, ['running'], 'slow', ['running'], ['running']);
  await waited();
  t.equal(state.asked, 4);
});

t.test('it waits for the time of `quiet` at most, and says why it continues', async (t) => {
  const silent = answering(t, 'slow');
  const waited = await silent.waited(20);
  t.ok(waited >= 20_000 && waited < 30_000, `${waited} ms`);
  t.match(
    silent.lines.join('\n'),
    /after 20 s without a quiet moment: cannot find out whether .*did not answer ListContainers/,
  );
  const stuck = answering(t, ['created', 'running']);
  t.ok((await stuck.waited(20)) >= 20_000);
  t.match(stuck.lines.join('\n'), /restarting after 20 s.*containers are being created/);
});
