import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { diagnose } from '../../../daemon/doctor/doctor.ts';
import { defaultSettings } from '../../../daemon/model/settings.ts';
import { credentialsProblem } from '../../../daemon/reconcile/registries/named-credentials.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';

const credentials = '/etc/rcm-node/registries.json';
const settings = { ...defaultSettings, registries: { credentials, providers: false } };

t.test('a file of credentials that cannot be used is told before any image is asked for', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.0' });
  node.write('/etc/containerd/config.toml', 'version = 3\n');
  node.write('/etc/rcm-node/config.toml', `[registries]\ncredentials = "${credentials}"\n`);
  const look = () => credentialsProblem(node.fake.host, settings);
  const where = { file: '/etc/rcm-node/config.toml', line: 2, column: 1 };
  const says = /registries\.credentials is \/etc\/rcm-node\/registries\.json: there is no such file/;
  t.match(await look(), { code: 'registry-credentials', message: says, where });
  t.match((await node.plan()).desired.problems, [{ message: says }]);
  t.match((await node.once()).outcome, { kind: 'degraded', problems: [{ message: says }] });
  const checks = await diagnose(node.fake.host, settings);
  t.match(
    checks.filter(({ verdict }) => verdict === 'bad'),
    [{ says }],
  );
  node.write(credentials, '{"auths":{"a.example":{"auth":"YTpodXNo"}}}', 0o644);
  t.match(await look(), { message: /others than root may read it/, hint: /chmod 600/, where });
  node.write(credentials, '{"auths":{"a.example":{"auth":"hush"}}}', 0o600);
  const damaged = await look();
  t.match(damaged, { code: 'registry-credentials', where });
  t.notMatch(JSON.stringify(damaged), 'hush');
  node.write(credentials, '{"auths":{}}');
  chmodSync(join(node.root, credentials), 0o600);
  t.equal(await look(), undefined);
  t.equal(await credentialsProblem(node.fake.host, defaultSettings), undefined);
});
