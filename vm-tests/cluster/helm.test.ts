/**
 * Helm against a real API server: install, upgrade, rollback, uninstall, and what is said where it cannot. No node is booted, so
 * that no Pod runs; what a Job of the chart would do is done in its place, with the account that it has.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { bootstrapFolder } from '../../testbed/cluster/manifests.ts';
import { provideHelm } from '../../testbed/kubernetes/helm.ts';
import { tokenKubeconfig } from '../../testbed/kubernetes/kubeconfig.ts';
import { attempt, type Said } from '../../testbed/machine/command.ts';

const program = await provideHelm((line) => t.comment(line));
const cluster = await clusterFor(t);
const folder = t.testdir({});
const chart = join(import.meta.dirname, '../../charts/rcm-node');
const env = { KUBECONFIG: cluster.kubeconfig, HOME: folder, PATH: process.env.PATH ?? '' };

const tryHelm = (...argv: readonly string[]): Promise<Said> =>
  attempt([program, ...argv, '--namespace', 'rcm-node'], { timeoutMs: 300_000, cleanEnv: true, env });
const helm = async (...argv: readonly string[]): Promise<string> => {
  const said = await tryHelm(...argv);
  if (said.code !== 0) throw new Error(`helm ${argv.join(' ')}: ${said.stderr}`);
  return said.stdout;
};
const file = async (name: string, values: object): Promise<string> => {
  const path = join(folder, `${name}.yaml`);
  await writeFile(path, stringify(values));
  return path;
};
const isThere = async (...what: readonly string[]): Promise<boolean> =>
  (await cluster.kubectl(['get', ...what, '--ignore-not-found', '-o', 'name'])) !== '';
const crd = 'shims.runtime.spinkube.dev';
const crdColumns = async (): Promise<string> =>
  cluster.kubectl(['get', 'crd', crd, '-o', 'jsonpath={.spec.versions[0].additionalPrinterColumns[*].name}']);
const daemonSet = async (path: string): Promise<string> =>
  cluster.kubectl(['-n', 'rcm-node', 'get', 'daemonset', 'rcm-node-bootstrap', '-o', `jsonpath={${path}}`]);
const ofBootstrap = '.spec.template.spec.initContainers[0]';

const shim = (name: string) => ({
  name,
  spec: {
    fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: 'ab'.repeat(32) } },
    runtimeClass: { name, handler: name },
  },
});
await cluster.kubectl(['create', 'namespace', 'rcm-node']);

t.test('it says what is missing before it writes anything', async (t) => {
  const early = await tryHelm(
    'install',
    'rcm-node',
    chart,
    '--values',
    await file('early', { shims: [shim('spin')] }),
  );
  t.not(early.code, 0);
  t.match(early.stderr, /no definition of Shims yet.*install without shims/);
  const level = 'pod-security.kubernetes.io/enforce';
  await cluster.kubectl(['label', 'namespace', 'rcm-node', `${level}=baseline`]);
  const closed = await tryHelm('install', 'rcm-node', chart);
  t.not(closed.code, 0);
  t.match(closed.stderr, /admits no Pod with hostPath volumes: kubectl label namespace rcm-node --overwrite/);
  await cluster.kubectl(['label', 'namespace', 'rcm-node', '--overwrite', `${level}=privileged`]);
  t.notOk(await isThere('crd', crd));
});

t.test('what kubectl has applied is taken over by the documented option alone', async (t) => {
  await cluster.kubectl(['apply', '-k', bootstrapFolder]);
  const refused = await tryHelm('install', 'rcm-node', chart);
  t.not(refused.code, 0);
  t.match(refused.stderr, /exists and cannot be imported into the current release/);
  const generation = await daemonSet('.metadata.generation');
  await helm('install', 'rcm-node', chart, '--take-ownership');
  t.equal(await daemonSet('.metadata.generation'), generation, 'no Pod is started anew');
  t.equal(await daemonSet(`${ofBootstrap}.args[*]`), 'bootstrap');
});

t.test('an upgrade brings the definition, Shims, and other values; a rollback takes them back', async (t) => {
  const newer = join(folder, 'newer');
  await cp(chart, newer, { recursive: true });
  const template = join(newer, 'templates/crd/shims.yaml');
  const text = await readFile(template, 'utf8');
  await writeFile(template, text.replace('- name: Available\n', '- name: Usable\n'));
  await cluster.waitFor('Shims are served', async () => {
    return (await cluster.tryKubectl(['get', 'shims'])).code === 0;
  });
  const before = await crdColumns();
  const values = await file('values', {
    ...{ identity: 'serviceaccount', policies: { enabled: true }, settings: '# ours\n' },
    ...{ knative: { enabled: true }, networkPolicy: { enabled: true } },
    shims: [shim('spin'), shim('wasmtime')],
  });
  await helm('upgrade', 'rcm-node', newer, '--values', values);
  t.equal(await crdColumns(), before.replace('Available', 'Usable'));
  t.equal(
    await cluster.kubectl(['get', 'shims', '-o', 'jsonpath={.items[*].metadata.name}']),
    'spin wasmtime',
  );
  t.equal(await daemonSet(`${ofBootstrap}.args[*]`), 'bootstrap --token /identity/token');
  t.notOk(await isThere('clusterrole', 'rcm-node-shims'), 'nodes need not read Shims any more');

  const fewer = await file('fewer', { ...{ identity: 'serviceaccount' }, shims: [shim('spin')] });
  await helm('upgrade', 'rcm-node', newer, '--values', fewer);
  t.equal(await cluster.kubectl(['get', 'shims', '-o', 'jsonpath={.items[*].metadata.name}']), 'spin');
  t.notOk(await isThere('validatingadmissionpolicy', 'rcm-node-shims'));

  await helm('rollback', 'rcm-node', '2');
  t.equal(
    await cluster.kubectl(['get', 'shims', '-o', 'jsonpath={.items[*].metadata.name}']),
    'spin wasmtime',
  );
  t.ok(await isThere('validatingadmissionpolicy', 'rcm-node-shims'));
  await helm('rollback', 'rcm-node', '1');
  t.equal(await crdColumns(), before);
  t.equal(await daemonSet(`${ofBootstrap}.args[*]`), 'bootstrap');
  t.ok(await isThere('clusterrole', 'rcm-node-shims'));
  t.notOk(await isThere('serviceaccount', 'rcm-node', '-n', 'rcm-node'));
});

t.test('an uninstall leaves the definition and Shims of others', async (t) => {
  const mine = { apiVersion: 'runtime.spinkube.dev/v1alpha1', kind: 'Shim', metadata: { name: 'mine' } };
  const input = JSON.stringify({ ...mine, spec: shim('mine').spec });
  // The policy of the former revision counts for a moment after it is gone.
  await cluster.waitFor('a Shim can be made', async () => {
    return (await cluster.tryKubectl(['apply', '-f', '-'], { input })).code === 0;
  });
  await helm('uninstall', 'rcm-node', '--wait');
  for (const kind of ['daemonset', 'deployment'] as const)
    t.notOk(await isThere(kind, '-n', 'rcm-node'), kind);
  t.ok(await isThere('shim', 'mine'));
  await helm('install', 'rcm-node', chart, '--values', await file('again', { shims: [shim('spin')] }));
  t.ok(await isThere('shim', 'spin'), 'and a new release takes the definition that is there');
});

type Container = { readonly name: string; readonly args: readonly string[] };
type JobSpec = { readonly template: { readonly spec: { readonly serviceAccountName: string } & Containers } };
type Containers = {
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
};

/** `helm uninstall` with its hook: no node runs the Pod of the Job, so its commands are run here, and it ends as a kubelet would say. */
const uninstallWith = async (phase: 'Succeeded' | 'Failed') => {
  const child = spawn(program, ['uninstall', 'rcm-node', '--namespace', 'rcm-node'], {
    env,
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  const pod = await cluster.waitFor('Helm waits for the Job, and it has a Pod', async () => {
    // Not that of a Job that failed before, which Helm leaves until now.
    const selector = ['-l', 'job-name=rcm-node-uninstall', '--field-selector=status.phase=Pending'];
    return (
      (await cluster.kubectl(['-n', 'rcm-node', 'get', 'pod', ...selector, '-o', 'name'])).trim() || undefined
    );
  });
  const { spec } = await cluster.admin.get<{ spec: JobSpec }>(
    '/apis/batch/v1/namespaces/rcm-node/jobs/rcm-node-uninstall',
  );
  const { serviceAccountName, initContainers, containers } = spec.template.spec;
  const { data } = await cluster.admin.get<{ data: Record<string, string> }>(
    '/api/v1/namespaces/rcm-node/configmaps/rcm-node-uninstall',
  );
  await writeFile(join(folder, 'daemonset.yaml'), data['daemonset.yaml'] ?? '');
  const token = await cluster.kubectl(['-n', 'rcm-node', 'create', 'token', serviceAccountName]);
  const config = join(folder, 'uninstall.conf');
  await writeFile(config, tokenKubeconfig(cluster.server, cluster.authority.certificate, token.trim()));
  const asJob = (argv: readonly string[]): Promise<Said> =>
    attempt([cluster.binary('kubectl'), ...argv], {
      ...{ timeoutMs: 120_000, cleanEnv: true },
      env: { ...env, KUBECONFIG: config },
    });
  const said: Said[] = [];
  for (const { args } of [...initContainers, ...containers])
    said.push(await asJob(args.map((one) => one.replace('/manifest', folder))));
  const others = await asJob(['-n', 'rcm-node', 'get', 'daemonsets']);
  const done = ['--subresource=status', '--type=merge', '-p', JSON.stringify({ status: { phase } })];
  const running = child.exitCode === null;
  await cluster.kubectl(['-n', 'rcm-node', 'patch', pod, ...done]);
  const [code] = (await ended) as [number];
  return { code, said, others, running };
};

t.test('a Job takes rcm-node off the nodes first, with an account that is gone afterwards', async (t) => {
  const values = await file('hook', { uninstall: { onDelete: { enabled: true } } });
  await helm('upgrade', 'rcm-node', chart, '--values', values);
  const isAccountThere = () => isThere('serviceaccount', 'rcm-node-uninstall', '-n', 'rcm-node');
  t.notOk(await isAccountThere());

  const failed = await uninstallWith('Failed');
  t.not(failed.code, 0, 'a node was not clean in time');
  for (const { code, stderr } of failed.said) t.equal(code, 0, stderr);
  t.not(failed.others.code, 0, 'its account reads no other DaemonSet');
  t.ok(failed.running, 'nothing was deleted before it ended');
  t.equal(await daemonSet(`${ofBootstrap}.args[*]`), 'bootstrap --uninstall');
  t.equal(await daemonSet('.spec.updateStrategy.rollingUpdate.maxUnavailable'), '100%');
  t.ok(await isThere('deployment', 'rcm-node-controller', '-n', 'rcm-node'), 'everything stays');
  t.notOk(await isAccountThere());

  await helm('rollback', 'rcm-node');
  t.equal(await daemonSet(`${ofBootstrap}.args[*]`), 'bootstrap', 'one may think better of it');

  await helm('upgrade', 'rcm-node', chart, '--values', values);
  t.equal((await uninstallWith('Succeeded')).code, 0);
  for (const kind of ['serviceaccount', 'role', 'rolebinding', 'configmap', 'job'])
    t.notOk(await isThere(kind, 'rcm-node-uninstall', '-n', 'rcm-node'), kind);
  t.notOk(await isThere('daemonset', '-n', 'rcm-node'));
});
