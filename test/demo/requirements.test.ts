import t from 'tap';
import { kernelIsRecent, networkTrouble } from '../../demo/requirements.ts';

t.test('kernels without cgroup.kill are too old', async (t) => {
  for (const old of ['4.19.0-27-amd64', '5.10.0-30-amd64', '5.13.19']) t.notOk(kernelIsRecent(old), old);
  for (const recent of ['5.14.0-427.el9.x86_64', '5.15.0-1', '6.1.0-18-amd64', '10.0.1'])
    t.ok(kernelIsRecent(recent), recent);
});

t.test('the relevant lines of a failed download are kept, and other failures are ignored', async (t) => {
  const said = "Get:1 trixie\nTemporary failure resolving 'deb.debian.org'\nReading package lists...";
  t.equal(networkTrouble(new Error(said)), "Temporary failure resolving 'deb.debian.org'");
  t.equal(networkTrouble(new Error('mount: permission denied')), '');
});
