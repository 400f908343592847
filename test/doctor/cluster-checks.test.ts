import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { clusterChecks } from '../../daemon/doctor/cluster-checks.ts';
import { needsOpenssl } from '../../testbed/simulated/api-server.ts';
import { hostOf, startServer } from '../../testbed/simulated/cluster-server.ts';

t.test('doctor names the node, and each permission that is missing', needsOpenssl, async (t) => {
  const { world, kubeconfig, root } = await startServer(t);
  const { host } = hostOf(root);
  const settings = {
    ...defaultSettings,
    cluster: { identity: 'kubelet', kubeconfig, legacyLabels: false, spread: 0 },
  } as const;
  t.match(await clusterChecks(host, settings), [
    { what: 'cluster', verdict: 'good', says: /knows this node as n \(kubelet/ },
    { what: 'rights', verdict: 'good' },
    { what: 'approvals', verdict: 'good', says: /no controller runs/ },
  ]);
  world.lease = 'forbidden';
  t.match((await clusterChecks(host, settings))[2], {
    what: 'approvals',
    verdict: 'warn',
    says: /may not read/,
  });
  world.lease = { spec: {} };
  t.match((await clusterChecks(host, settings))[2], {
    verdict: 'good',
    says: /Lease of the controller is readable/,
  });
  world.denied = ['watch shims', 'create events'];
  t.match(await clusterChecks(host, settings), [
    { verdict: 'good' },
    {
      what: 'rights',
      verdict: 'bad',
      says: 'not allowed: watch shims, create events',
      hint: /kubectl apply/,
    },
    { what: 'approvals' },
  ]);

  mkdirSync(join(root, 'var/lib/rcm-node'), { recursive: true });
  const file = join(root, 'var/lib/rcm-node/cluster.json');
  writeFileSync(file, JSON.stringify({ version: 1, node: 'n', shims: [{ metadata: { name: 'spin' } }] }));
  t.match((await clusterChecks(host, settings)).at(-1), {
    what: 'shims',
    verdict: 'good',
    says: '1 Shims of the cluster select this node',
  });
  writeFileSync(file, '{');
  t.match((await clusterChecks(host, settings)).at(-1), { what: 'shims', verdict: 'bad' });
});

t.test('a service account needs the next token, too', needsOpenssl, async (t) => {
  const { world, kubeconfig, root } = await startServer(t);
  const { host } = hostOf(root);
  const claims = {
    iat: 1,
    exp: Date.now() / 1000 + 3600,
    'kubernetes.io': { namespace: 'rcm-node', serviceaccount: { name: 'rcm-node', uid: 's' } },
  };
  mkdirSync(join(root, 'var/lib/rcm-node/identity'), { recursive: true });
  writeFileSync(
    join(root, 'var/lib/rcm-node/identity/token'),
    `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln\n`,
  );
  const cluster = { identity: 'serviceaccount', kubeconfig, legacyLabels: false, spread: 0 } as const;
  world.denied = ['create serviceaccounts'];
  t.match(await clusterChecks(host, { ...defaultSettings, cluster }), [
    { what: 'cluster', verdict: 'good', says: /\(serviceaccount/ },
    { what: 'rights', verdict: 'bad', says: 'not allowed: create serviceaccounts/token' },
  ]);
  const asked = { ...defaultSettings.cluster, kubeconfig };
  t.match(await clusterChecks(host, { ...defaultSettings, cluster: asked }), [
    { verdict: 'good' },
    { what: 'rights', verdict: 'good' },
  ]);
});

t.test('an unreachable API server is reported with its reason and a way out', needsOpenssl, async (t) => {
  const { kubeconfig, root } = await startServer(t);
  const { host } = hostOf(root);
  writeFileSync(join(root, kubeconfig), 'users: {');
  const cluster = { identity: 'kubelet', kubeconfig, legacyLabels: false, spread: 0 } as const;
  t.match(await clusterChecks(host, { ...defaultSettings, cluster }), [
    { what: 'cluster', verdict: 'bad', says: /kubelet\.conf/, hint: /kubeconfig/ },
  ]);
});

t.test('a host without a cluster has no problem', async (t) => {
  const { host } = hostOf(t.testdir({}));
  t.match(await clusterChecks(host, defaultSettings), [{ verdict: 'unknown', says: /no kubelet runs here/ }]);
  t.match(await clusterChecks(host, { ...defaultSettings, closed: true }), [
    { verdict: 'unknown', says: /^not checked: the settings do not tell/ },
  ]);
  const cluster = { ...defaultSettings.cluster, identity: 'none' } as const;
  t.match(await clusterChecks(host, { ...defaultSettings, cluster }), [{ verdict: 'good' }]);
});
