import t from 'tap';
import { defaultSettings } from '../../../daemon/model/settings.ts';
import { observeRuntime } from '../../../daemon/reconcile/observe/runtime.ts';
import { makeRoot, openNode, writeShim } from '../../../testbed/simulated/node.ts';

t.test(
  'an empty --config-dir is no folder: nothing of the host is read for it, and no change is made',
  async (t) => {
    for (const argv of [['--config-dir', ''], ['--config-dir='], ['-d', '']]) {
      const execStart = ['/usr/bin/crio', ...argv];
      const node = openNode(makeRoot(t), { runtime: 'crio', version: '1.36.3', execStart });
      node.write('/var/lib/other.conf', 'not of the configuration\n');
      writeShim(node, 'wasmedge');
      const runtime = await observeRuntime(node.fake.host, defaultSettings);
      t.match(runtime, { name: 'crio', config: [{ path: '/etc/crio/crio.conf' }] });
      t.equal(runtime.name !== 'none' && runtime.config.length, 1);
      t.match((await node.plan()).decision.plan, {
        kind: 'refused',
        problem: { code: 'unsupported-runtime', message: /empty --config-dir/ },
      });
    }
  },
);
