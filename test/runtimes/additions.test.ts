/** A person's text in our drop-in is removed, as every change of it; the plan names what that was. */
import t from 'tap';
import { makeRoot, openNode, writeShim } from '../../testbed/simulated/node.ts';

const hosts = [
  {
    meta: { version: '2.1.4' },
    dropIn: '/etc/containerd/conf.d/zz-rcm-node.toml',
    text: '# mine\n[plugins."io.containerd.cri.v1.images"]\nsnapshotter = "secret"\n',
    names: 'plugins."io.containerd.cri.v1.images".snapshotter, comments',
  },
  {
    meta: { runtime: 'crio', version: '1.36.3' },
    dropIn: '/etc/crio/crio.conf.d/zz-rcm-node.conf',
    text: '[crio.runtime]\nlog_level = "secret"\n[crio.runtime.runtimes.theirs]\nruntime_path = "/usr/bin/crun"\n',
    names: 'crio.runtime.runtimes.theirs, crio.runtime.log_level',
  },
] as const;

for (const { meta, dropIn, text, names } of hosts)
  for (const last of ['a tick', 'an uninstall'])
    t.test(`before ${last} removes it from ${dropIn}`, async (t) => {
      const node = openNode(makeRoot(t), meta);
      writeShim(node, 'w');
      await node.once();
      node.write(dropIn, `${node.read(dropIn)}\n${text}`);
      if (last === 'an uninstall') node.remove('/etc/rcm-node/shims.d/w.toml');
      const { plan } = (await node.plan()).decision;
      const because = plan.kind === 'steps' ? plan.because.join('\n') : plan.kind;
      t.match(because, `${dropIn} is removed, because rcm-node writes that file as a whole: ${names}`);
      t.notMatch(because, /secret|\.w\b/);
    });

t.test('our part, however it was rewritten, is no addition', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  writeShim(node, 'w');
  await node.once();
  const [{ dropIn }] = hosts;
  node.write(dropIn, `${node.read(dropIn)?.replace(/^#.*\n/, '')}\n`);
  t.notMatch((await node.plan()).decision.plan, { because: [/others added/] });
  node.write(dropIn, '[[[');
  t.match(JSON.stringify((await node.plan()).decision.plan), /text that is no TOML/);
});
