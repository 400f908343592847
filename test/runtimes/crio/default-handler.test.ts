/** A handler of ours that a person made the default one: CRI-O does not start without it. */
import t, { type Test } from 'tap';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';

const dropIn = '/etc/crio/crio.conf.d/zz-rcm-node.conf';
const other = '/etc/crio/crio.conf.d/50-default.conf';
const byDefault = '[crio.runtime]\ndefault_runtime = "wasmedge"\n';
const crun =
  '[crio.runtime.runtimes.crun]\nruntime_path = "/usr/bin/crun"\nmonitor_path = "/usr/bin/conmon"\n';

const serving = async (t: Test): Promise<Node> => {
  const node = openNode(makeRoot(t), { runtime: 'crio', version: '1.36.3' });
  node.write('/etc/crio/crio.conf.d/10-crio.conf', crun);
  node.fake.containerd.restartByOther();
  writeShim(node, 'wasmedge');
  t.match(await node.once(), { outcome: { kind: 'converged' } });
  node.write(other, byDefault);
  node.fake.containerd.restartByOther();
  return node;
};

t.test('the default handler is served as before, with the monitor of the built-in handler', async (t) => {
  const node = await serving(t);
  const ours = node.read(dropIn);
  t.match(ours, /monitor_path = "\/usr\/bin\/conmon"/);
  t.match(await node.once(), { outcome: { kind: 'converged' }, did: [] });
  t.equal(node.read(dropIn), ours);
});

t.test('a drop-in that was lost is written again', async (t) => {
  const node = await serving(t);
  const ours = node.read(dropIn);
  node.remove(dropIn);
  t.match(await node.once(), { outcome: { kind: 'converged' } });
  t.equal(node.read(dropIn), ours);
});

t.test('a lost drop-in is written again for a CRI-O that exited because of that', async (t) => {
  const node = await serving(t);
  const ours = node.read(dropIn);
  node.remove(dropIn);
  node.fake.containerd.restartByOther();
  t.match(await node.plan(), {
    before: { runtime: { unit: { active: /failed|activating/ } } },
    decision: { plan: { kind: 'steps', because: [/does not fit/] } },
  });
  await node.once();
  t.match(await node.once(), { outcome: { kind: 'converged' } });
  t.equal(node.read(dropIn), ours);
});

t.test('an unchanged drop-in beside an older one that is removed stays ours', async (t) => {
  const node = await serving(t);
  const { containerd } = node.fake;
  node.write('/etc/crio/crio.conf.d/old/zz-rcm-node.conf', node.read(dropIn) ?? '');
  containerd.stopByOther();
  containerd.unit = { ...containerd.unit, active: 'failed', sub: 'failed' };
  const { plan } = (await node.plan()).decision;
  t.match(plan, { kind: 'steps', because: [/only its default handler is written/] });
  const last = plan.kind === 'steps' ? plan.steps.at(-1) : undefined;
  t.match(last, { kind: 'record', ledger: { files: { [dropIn]: { kind: 'created' } } } });
});

t.test('a lost link is created again', async (t) => {
  const node = await serving(t);
  node.remove('/opt/rcm-node/shims/wasmedge');
  t.match(await node.once(), { outcome: { kind: 'converged' } });
});

t.test(
  'a handler that is the default one stays when it is removed, and the file to change is named',
  async (t) => {
    const node = await serving(t);
    node.remove('/etc/rcm-node/shims.d/wasmedge.toml');
    const why = { code: 'default-handler-lost', where: { file: other, line: 2 }, hint: /default_runtime/ };
    t.match((await node.once()).decision.handlers, [{ name: 'wasmedge', state: 'removing', problem: why }]);
    for (const force of [false, true])
      t.match(await node.uninstall({ force }), {
        complete: false,
        ticked: { outcome: { kind: 'waiting', for: [why] } },
      });
    const ours = node.read(dropIn);
    t.ok(ours);
    node.remove(dropIn);
    await node.once();
    t.equal(node.read(dropIn), ours);
    node.remove(other);
    t.ok((await node.uninstall()).complete);
  },
);

t.test('an undefined default handler is refused, whatever else is asked for', async (t) => {
  const node = await serving(t);
  node.write(other, '[crio.runtime]\ndefault_runtime = "gone"\n');
  t.match((await node.plan()).decision.plan, {
    kind: 'refused',
    problem: { code: 'default-handler-lost', where: { file: other } },
  });
});
