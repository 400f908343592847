import t, { type Test } from 'tap';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { diagnose } from '../../daemon/doctor/doctor.ts';
import { caProblem } from '../../daemon/reconcile/extra-ca.ts';
import { makeRoot, openNode } from '../../testbed/simulated/node.ts';

const extraCa = '/etc/rcm-node/ca.pem';
const settings = { ...defaultSettings, extraCa };

const site = (t: Test) => {
  const node = openNode(makeRoot(t), { version: '2.1.0' });
  node.write('/etc/containerd/config.toml', 'version = 3\n');
  node.write('/etc/rcm-node/config.toml', `interval = 60\nextraCa = "${extraCa}"\n`);
  return node;
};

t.test('an unusable extra CA is named with its line, and with what the file contains', async (t) => {
  const node = site(t);
  const look = () => caProblem(node.fake.host, settings);
  t.match(await look(), {
    code: 'bad-settings',
    message: /extraCa is \/etc\/rcm-node\/ca\.pem, and a file of certificates .*: there is no such file$/,
    where: { file: '/etc/rcm-node/config.toml', line: 2, column: 1 },
    hint: /ls -l \/etc\/rcm-node\/ca\.pem/,
  });
  node.write(extraCa, 'not yet\n');
  t.match(await look(), { message: /it holds no certificate$/ });
  node.remove(extraCa);
  node.write(`${extraCa}/inside`, '');
  t.match(await look(), { message: /this is a folder$/ });
  node.remove(extraCa);
  node.write(extraCa, '-----BEGIN CERTIFICATE-----\n');
  t.equal(await look(), undefined);
  t.equal(await caProblem(node.fake.host, defaultSettings), undefined);
});

t.test('plan, once and doctor report it', async (t) => {
  const node = site(t);
  const says = /extraCa is .*there is no such file/;
  const checks = await diagnose(node.fake.host, settings);
  t.match(
    checks.filter((check) => check.what === 'config.toml'),
    [{ verdict: 'bad', says }],
  );
  t.match((await node.plan()).desired.problems, [{ message: says }]);
  t.match((await node.once()).outcome, { kind: 'degraded', problems: [{ message: says }] });
});
