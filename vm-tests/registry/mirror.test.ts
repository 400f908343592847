/**
 * `rcm-node shim mirror` into Debian's docker-registry with TLS and a password: an index and a file of a web server, from a plain
 * registry that oras and skopeo filled. Then a node that reaches nothing else takes both from there. The host and its containerd are simulated.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { mirror, type Mirroring } from '../../cli/mirror/mirror.ts';
import { original } from '../../host/registry/endpoint.ts';
import { tarOf } from '../../testbed/artifacts/tarball.ts';
import { toolsFor } from '../../testbed/registry/push.ts';
import { startRegistry, user } from '../../testbed/registry/registry.ts';
import { makeRoot, openNode, program, sha256 } from '../../testbed/simulated/node.ts';

const progress = (line: string): void => t.comment(line);

const registryFor = async (t: Test, guarded: boolean) => {
  const folder = await mkdtemp(join(tmpdir(), 'rcm-node-mirror-'));
  const registry = await startRegistry(folder, progress, { guarded });
  t.teardown(async () => {
    registry.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return { ...registry, folder };
};

const layer = (name: string): Uint8Array =>
  tarOf([{ path: `assets/${name}`, bytes: Buffer.from(program(name)), mode: 0o755 }]);

const authOf = (at: string): string =>
  JSON.stringify({
    auths: { [at]: { auth: Buffer.from(`${user.name}:${user.password}`).toString('base64') } },
  });

t.test(
  'an index and a file go into a registry with a password, and a node takes both from there',
  async (t) => {
    const [from, to] = [await registryFor(t, false), await registryFor(t, true)];
    const tools = await toolsFor(from, progress);
    const amd = await tools.image('acme/spin:amd64', [layer('containerd-shim-spin-v2')]);
    const arm = await tools.image('acme/spin:arm64', [layer('containerd-shim-spin-v2')], {
      architecture: 'arm64',
    });
    const index = await tools.index('acme/spin:v1', { 'linux/arm64': arm, 'linux/amd64': amd });
    const file = program('containerd-shim-slight-v1');
    const server = http.createServer((request, response) => {
      response.writeHead(request.url === '/slight' ? 200 : 404).end(request.url === '/slight' ? file : '');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    server.unref();
    const web = `http://127.0.0.1:${(server.address() as AddressInfo).port}/slight`;
    const shims = {
      'spin-v2': `name = "spin-v2"\n[fetchStrategy.oci]\nimage = "${from.at}/acme/spin@sha256:${index}"\n`,
      'slight-v1': `name = "slight-v1"\n[fetchStrategy.anonHttp]\nlocation = "${web}"\nsha256 = "${sha256(file)}"\n`,
    };

    // Not in a folder in which every user can put files: there it is refused.
    const work = t.testdir();
    const credentials = join(work, 'credentials.json');
    await writeFile(credentials, authOf(to.at), { mode: 0o600 });
    const before = process.cwd();
    process.chdir(work);
    t.teardown(() => process.chdir(before));
    const mirroring: Mirroring = {
      to: `oci://${to.at}/air`,
      texts: Object.entries(shims).map(([name, text]) => ({ name: `${name}.toml`, text })),
      credentials,
      env: {},
      say: (line) => t.comment(line),
      // What a person has in the trust store of the system, and a plain registry, which the command does not speak to.
      endpointsOf: async (image) => [
        image.host === to.at
          ? { ...original(image), ca: [to.ca ?? ''] }
          : { ...original(image), base: `http://${image.host}/v2`, unproven: true, resolves: false },
      ],
    };
    const { copied, mirrors } = await mirror(mirroring);
    t.match(copied, [{ did: 'copied' }, { did: 'copied' }]);
    t.match((await mirror(mirroring)).copied, [{ did: 'unchanged' }, { did: 'unchanged' }]);
    from.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));

    const node = openNode(makeRoot(t), { version: '2.1.4' });
    node.write(
      '/etc/containerd/config.toml',
      'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "/etc/certs.d"\n',
    );
    node.write(`/etc/certs.d/${to.at}/hosts.toml`, 'ca = "ca.pem"\n');
    node.write(`/etc/certs.d/${to.at}/ca.pem`, readFileSync(to.ca ?? '', 'utf8'));
    node.write('/etc/rcm-node/registries.json', authOf(to.at), 0o600);
    const tables = mirrors.map(
      ({ prefix, replace }) => `[[mirrors]]\nprefix = "${prefix}"\nreplace = "${replace}"\n`,
    );
    node.write(
      '/etc/rcm-node/config.toml',
      `attempts = 1\n[registries]\ncredentials = "/etc/rcm-node/registries.json"\n${tables.join('')}`,
    );
    for (const [name, text] of Object.entries(shims)) node.write(`/etc/rcm-node/shims.d/${name}.toml`, text);
    t.match((await node.once()).outcome, { kind: 'converged' }, node.fake.lines.join('\n'));
    for (const name of Object.keys(shims)) t.ok(node.fake.containerd.served().includes(name), name);
  },
);
