import t from 'tap';
import { isNetworkTrouble, kernelIsRecent } from '../../demo/requirements.ts';

t.test('kernels without cgroup.kill are too old', async (t) => {
  for (const old of ['4.19.0-27-amd64', '5.10.0-30-amd64', '5.13.19']) t.notOk(kernelIsRecent(old), old);
  for (const recent of ['5.14.0-427.el9.x86_64', '5.15.0-1', '6.1.0-18-amd64', '10.0.1'])
    t.ok(kernelIsRecent(recent), recent);
});

t.test('what apt says without a network is taken for that, and other failures are not', async (t) => {
  t.ok(isNetworkTrouble(new Error("Temporary failure resolving 'deb.debian.org'")));
  t.ok(isNetworkTrouble(new Error('E: Failed to fetch http://deb.debian.org/debian/dists/trixie/InRelease')));
  t.notOk(isNetworkTrouble(new Error('mount: permission denied')));
});
