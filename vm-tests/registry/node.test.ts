/**
 * A node with containerd takes its shim out of an image in Debian's docker-registry, with TLS and a password: as its administrator
 * writes it, from the first Pod to another image under a running one. The shim is a stand-in.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { prepareImage } from '../../testbed/artifacts/images.ts';
import { helloOciImage, importImage } from '../../testbed/artifacts/oci.ts';
import { tarOf } from '../../testbed/artifacts/tarball.ts';
import { containerdConfiguration } from '../../testbed/node/configuration.ts';
import { containerdPid } from '../../testbed/node/containerd.ts';
import { isRunning, runPod } from '../../testbed/node/pods.ts';
import { bootWithRcmNode, rcmNode, untilReport, untilServing } from '../../testbed/node/service.ts';
import { toolsFor } from '../../testbed/registry/push.ts';
import { startRegistry, user } from '../../testbed/registry/registry.ts';

const progress = (line: string): void => t.comment(line);

const certs = '\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n';

t.test('a node serves a shim of an image in a registry', async (t) => {
  const node = await bootWithRcmNode('trixie', {
    progress,
    settings: 'interval = 5\nattempts = 1\n[registries]\ncredentials = "/etc/rcm-node/registries.json"\n',
    files: { '/etc/containerd/config.toml': `${containerdConfiguration.trixie}${certs}` },
  });
  t.teardown(() => node.stop());
  const folder = await mkdtemp(join(tmpdir(), 'rcm-node-registry-'));
  const registry = await startRegistry(folder, progress, { guarded: true, leader: node.leader });
  t.teardown(async () => {
    registry.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const { at, ca = '' } = registry;

  const tools = await toolsFor(registry, progress);
  const shim = await readFile(
    join(await prepareImage('trixie', 'containerd', progress), 'usr/bin/containerd-shim-runc-v2'),
  );
  const installer = async (version: string): Promise<string> => {
    const bytes = Buffer.concat([shim, Buffer.from(`\nstand-in ${version}\n`)]);
    const { digest } = await tools.image(`acme/node-installer:${version}`, [
      tarOf([{ path: 'script/installer.sh', bytes: Buffer.from('#!/bin/sh\n'), mode: 0o755 }]),
      tarOf([{ path: 'assets/containerd-shim-spin-v2', bytes, mode: 0o755 }]),
    ]);
    return digest;
  };
  const ask = (digest: string): Promise<void> =>
    node.writeFile(
      '/etc/rcm-node/shims.d/spin-v2.toml',
      `name = "spin-v2"\n[fetchStrategy.oci]\nimage = "${at}/acme/node-installer@sha256:${digest}"\n`,
    );
  await node.writeFile('/etc/containerd/certs.d/ca.pem', await readFile(ca));
  await node.writeFile(`/etc/containerd/certs.d/${at}/hosts.toml`, 'ca = "/etc/containerd/certs.d/ca.pem"\n');

  await ask(await installer('v1'));
  await node.run(['systemctl', 'start', 'rcm-node']);
  await untilReport(node, 'a refusal without credentials', ({ handlers }) =>
    handlers.some(({ problem }) => problem?.code === 'registry-credentials'),
  );

  const auth = Buffer.from(`${user.name}:${user.password}`).toString('base64');
  await node.writeFile('/etc/rcm-node/registries.json', JSON.stringify({ auths: { [at]: { auth } } }), 0o600);
  await rcmNode(node, 'once');
  await untilServing(node, ['spin-v2']);
  const pod = await runPod(node, {
    handler: 'spin-v2',
    image: await importImage(node, helloOciImage('wait')),
    wait: 'running',
  });
  const before = await containerdPid(node);
  const second = await installer('v2');
  await ask(second);
  await untilReport(node, 'the other image is served', ({ handlers }) =>
    handlers.some(({ name, state, sha256 }) => name === 'spin-v2' && state === 'served' && sha256 === second),
  );
  t.equal(await containerdPid(node), before, 'without a restart');
  t.ok(await isRunning(node, pod.containerId), 'and the Pod runs on');
  const said = await rcmNode(node, 'status', '--json');
  t.notMatch(said.stdout, auth);
});
