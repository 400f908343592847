import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { observeBundles } from '../../../daemon/reconcile/observe/bundles.ts';
import { bareRoot } from '../../../testbed/simulated/bare-root.ts';

t.test('a bundle that cannot be read may be of any handler', async (t) => {
  const annotations = { 'io.kubernetes.cri-o.RuntimeHandler': 'wasmedge' };
  const bundle = { userdata: { pidfile: '7', 'config.json': JSON.stringify({ annotations }) } };
  const storage = { 'overlay-containers': { id: bundle } };
  const root = t.testdir({ proc: { 7: {} }, run: { containers: { storage } } });
  const { host } = bareRoot(root);
  const none = { name: 'none', problem: { code: 'no-runtime', message: '' } } as const;
  t.same(await observeBundles(host, none), ['wasmedge']);
  const file = join(root, 'run/containers/storage/overlay-containers/id/userdata/config.json');
  chmodSync(file, 0o000);
  const isRoot = process.getuid?.() === 0;
  // Root may read everything.
  if (isRoot) process.seteuid?.(65_534);
  const found = await observeBundles(host, none).catch((error: unknown) => error);
  if (isRoot) process.seteuid?.(0);
  t.match(found, {
    problem: { code: 'unreadable-source', message: /EACCES/, where: { file: /config.json/ } },
  });
});
