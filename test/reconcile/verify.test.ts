import t from 'tap';
import { problemOf } from '../../protocol/problem/problem.ts';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { verify } from '../../daemon/reconcile/verify.ts';
import { makeRoot, openNode, writeShim } from '../../testbed/simulated/node.ts';

t.test('each handler is started and removed on request, and the ledger records the result', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const { containerd, host } = node.fake;
  writeShim(node, 'spin-v2');
  writeShim(node, 'wws-v1');
  containerd.pauseImage = false;
  await node.once();
  t.match((await node.once()).decision.handlers, [
    { start: { kind: 'listed' } },
    { start: { kind: 'listed' } },
  ]);
  containerd.pauseImage = true;
  containerd.starts = (handler) => (handler === 'wws-v1' ? 'refused' : 'works');
  const jobs = containerd.jobs.length;
  t.match(await verify(host, defaultSettings, undefined), {
    'spin-v2': { kind: 'started' },
    'wws-v1': { kind: 'failed', problem: { code: 'not-started', handler: 'wws-v1' } },
  });
  t.equal(containerd.jobs.length, jobs, 'nothing is restarted or rolled back for it');
  t.match((await node.once()).decision.handlers, [
    { name: 'spin-v2', state: 'served', start: { kind: 'started' } },
    { name: 'wws-v1', state: 'served', start: { kind: 'listed', why: /does not start/ } },
  ]);
  t.strictSame(containerd.sandboxes, []);
  t.equal(node.fake.locked, false);
});

t.test(
  'one handler is verified, also a foreign one, and for an unknown one the known ones are named',
  async (t) => {
    const node = openNode(makeRoot(t), { version: '1.7.24' });
    writeShim(node, 'spin-v2');
    await node.once();
    const { host, containerd } = node.fake;
    t.strictSame(await verify(host, { ...defaultSettings, verifyExcept: ['*'] }, 'runc'), {
      runc: { kind: 'started' },
    });
    t.match(containerd.sandboxJobs.slice(-2), ['start runc', /^remove/]);
    const refused = await verify(host, defaultSettings, 'spin').catch(problemOf);
    t.match(refused, { code: 'not-served', message: 'CRI lists no handler "spin"; it lists runc, spin-v2' });
  },
);

t.test('without served handlers nothing is started, and a dead runtime is reported', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  t.strictSame(await verify(node.fake.host, defaultSettings, undefined), {});
  const dead = openNode(makeRoot(t), { version: '2.1.4', runs: false });
  t.match(await verify(dead.fake.host, defaultSettings, undefined).catch(problemOf), {
    code: 'runtime-unreachable',
  });
  t.equal(dead.fake.locked, false);
});
