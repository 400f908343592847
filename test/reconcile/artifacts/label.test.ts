import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { labelPrograms } from '../../../daemon/reconcile/artifacts/label.ts';
import { attributesOf, giveLabel } from '../../../host/files/attributes.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';

const label = Buffer.from('system_u:object_r:container_runtime_exec_t:s0\0');

// Without SELinux in the kernel these are plain attributes, which CAP_SYS_ADMIN may write.
const skip = ((): string | false => {
  try {
    const folder = t.testdir({ program: '' });
    giveLabel('/program', openSync(join(folder, 'program'), 'r'), label);
    return false;
  } catch {
    return 'labels cannot be written here';
  }
})();

t.test('programs get the label of the runtime, and a failure to set it is reported', { skip }, async (t) => {
  const root = makeRoot(t);
  const { fake } = openNode(root, { version: '2.1.4' });
  mkdirSync(join(root, 'sys/fs/selinux'), { recursive: true });
  writeFileSync(join(root, 'sys/fs/selinux/enforce'), '1');
  writeFileSync(join(root, 'srv/shim'), '');
  giveLabel('/usr/bin/containerd', openSync(join(root, 'usr/bin/containerd'), 'r'), label);
  await labelPrograms(fake.host, ['/srv/shim', '/srv/none']);
  t.same(attributesOf('/srv/shim', openSync(join(root, 'srv/shim'), 'r')).get('security.selinux'), label);
  t.match(fake.lines, [/^warn: \/srv\/none keeps its SELinux label/]);
});
