/**
 * Credentials of every kind, in every place where a person may put them: none is in what everyone can read, nor in the log. In
 * each row something fails, because a failure is where texts of others are quoted. Every stop: many whole ticks.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { type Asked, type Seen, seeRefusal } from '../../../testbed/controller/refused-shim.ts';
import type { Node } from '../../../testbed/simulated/node.ts';
import { makeStore, serveRegistry } from '../../host/registry/served.ts';
import { pinned, settings, text } from './checks.ts';

const secret = 'hunter2-hunter2';
const basic = Buffer.from(`user:${secret}`).toString('base64');
const forms = [secret, basic, encodeURIComponent(secret), Buffer.from(secret).toString('base64')];

/** A server that fails with the secret in its answer and its headers. */
const failing = async (t: Test, status = 500): Promise<string> => {
  const server = createServer((request, response) => {
    response
      .writeHead(status, {
        location: `http://user:${secret}@127.0.0.1:1/?token=${secret}`,
        'www-authenticate': `Bearer realm="http://user:${secret}@127.0.0.1:1/token?t=${secret}"`,
      })
      .end(`${secret} ${request.headers.authorization}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const quick = 'attempts = 1\n';
const at = (host: string, scheme = 'http'): string =>
  `${scheme}://user:${secret}@${host}/shim?token=${secret}#${secret}`;
const certs = 'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "/etc/certs.d"\n';

const rows: Readonly<Record<string, (t: Test) => Promise<Asked>>> = {
  'a location, and a server that answers with an error': async (t) => ({
    spec: pinned(text, at(await failing(t))),
    setUp: settings(quick),
  }),
  'a location, and a redirect': async (t) => ({
    spec: pinned(text, at(await failing(t, 302))),
    setUp: settings(quick),
  }),
  'a location, and no server': async () => ({
    spec: pinned(text, at('127.0.0.1:1')),
    setUp: settings(quick),
  }),
  'a location without a digest': async () => ({
    spec: { fetchStrategy: { anonHttp: { location: at('example.com', 'https') } } },
  }),
  'a location without a host': async () => ({
    spec: { fetchStrategy: { anonHttp: { location: `https://user:${secret}@` } } },
  }),
  'a location of an unknown scheme': async () => ({
    spec: { fetchStrategy: { anonHttp: { location: at('example.com', 'ftp') } } },
  }),
  'a location as the digest': async () => ({
    spec: { fetchStrategy: { anonHttp: { location: 'file:///srv/x', sha256: at('example.com') } } },
  }),
  'a location as the name of a program': async () => ({
    spec: { ...pinned(text), runtime: { type: 'oci', binary: at('example.com') } },
  }),
  'a reference to an image': async () => ({
    spec: { fetchStrategy: { oci: { image: `user:${secret}@registry.example/team/bad` } } },
  }),
  'an address of a registry': async () => ({
    spec: {
      fetchStrategy: { anonHttp: { location: `oci://user:${secret}@registry.example/a?t=${secret}` } },
    },
  }),
  'a mirror in the settings': async () => ({
    spec: pinned(text, 'https://example.com/shim'),
    setUp: settings(
      `${quick}[[mirrors]]\nprefix = "https://example.com"\nreplace = "http://user:${secret}@127.0.0.1:1"\n`,
    ),
  }),
  'a proxy in the settings': async () => ({
    spec: pinned(text, 'http://example.com/shim'),
    setUp: settings(`${quick}[proxy]\nhttp = "http://user:${secret}@127.0.0.1:1"\n`),
  }),
  'a registry that refuses the credentials': async (t) => {
    const store = makeStore();
    const { digest } = store.artifact({ 'containerd-shim-bad': Buffer.from(text) });
    const registry = await serveRegistry(t, store, (request, response) => {
      const realm = `http://user:${secret}@127.0.0.1:1/token?t=${secret}`;
      response
        .writeHead(401, { 'www-authenticate': `Basic realm="${secret}", Bearer realm="${realm}"` })
        .end(`{"errors":[{"code":"DENIED","message":"${secret} ${request.headers.authorization}"}]}`);
      return true;
    });
    return {
      spec: { fetchStrategy: { oci: { image: `registry.example/team/bad@${digest}` } } },
      setUp: (host: Node): void => {
        const file = '/etc/rcm-node/registries.json';
        settings(`${quick}[registries]\ncredentials = "${file}"\n`)(host);
        const auths = { 'registry.example': { auth: basic }, [registry.host]: { auth: basic } };
        host.write(file, JSON.stringify({ auths }), 0o600);
        host.write('/etc/containerd/config.toml', certs);
        host.write(
          '/etc/certs.d/registry.example/hosts.toml',
          `server = "http://${registry.host}"\n[host."http://${registry.host}".header]\nAuthorization = "Basic ${basic}"\n`,
        );
      },
    };
  },
  'credentials that cannot be read': async () => ({
    spec: { fetchStrategy: { oci: { image: `registry.example/team/bad@sha256:${'ab'.repeat(32)}` } } },
    setUp: (host: Node): void => {
      settings(`${quick}[registries]\ncredentials = "/etc/rcm-node/registries.json"\n`)(host);
      host.write(
        '/etc/rcm-node/registries.json',
        `{"auths":{"registry.example":{"auth":"${basic}"},}}`,
        0o600,
      );
    },
  }),
  'a file of mirrors that cannot be understood': async () => ({
    spec: { fetchStrategy: { oci: { image: `registry.example/team/bad@sha256:${'ab'.repeat(32)}` } } },
    setUp: (host: Node): void => {
      settings(quick)(host);
      host.write('/etc/containerd/config.toml', certs);
      host.write(
        '/etc/certs.d/registry.example/hosts.toml',
        `[host."https://user:${secret}@mirror.example"]\nheader = "${secret}"\n[host`,
      );
    },
  }),
};

const hides = (t: Test, seen: Seen): void => {
  for (const [what, said] of Object.entries(seen)) {
    const all = typeof said === 'string' ? said : JSON.stringify(said);
    for (const form of forms) t.notOk(all.includes(form), `${what}: ${all.slice(0, 3000)}`);
  }
};

/** With these a node takes nothing new: the other Shim waits, too. */
const wrong = {
  'a wrong value': `[[mirrors]]\nprefix = "https://u:${secret}@h/"\nreplace = "x?${secret}"\n[proxy]\nhttp = 7\n`,
  'a line that is no TOML': `[proxy]\nhttp = "http://u:${secret}@127.0.0.1" ${secret}\n`,
  'a text without its end': `[proxy]\nhttp = "http://u:${secret}@127.0.0.1\n`,
  'a private key in the place of a public one': `[[signatures]]\nprefix = ""\nkey = """-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n"""\n`,
};
for (const [where, lines] of Object.entries(wrong))
  t.test(`a secret in settings with ${where}`, async (t) => {
    const seen = await seeRefusal(t, { spec: pinned(text), setUp: settings(lines) });
    t.match(seen.status, /\/etc\/rcm-node\/config\.toml:\d+:\d+/);
    hides(t, seen);
  });

const url = at('127.0.0.1:1', 'https');
const local = {
  'a location without a digest': `[fetchStrategy.anonHttp]\nlocation = "${url}"\n`,
  'a line that is no TOML': `[fetchStrategy.anonHttp]\nlocation = "${url}" "${secret}"\n`,
  'an unknown key': `"${url}" = 1\n`,
  'a wrong type': `fetchStrategy = "${url}"\n`,
};
for (const [where, lines] of Object.entries(local))
  t.test(`a secret in a local file with ${where}`, async (t) => {
    const file = '/etc/rcm-node/shims.d/local.toml';
    const setUp = (host: Node): void => {
      settings(quick)(host);
      host.write(file, `name = "local"\n${lines}`);
    };
    const seen = await seeRefusal(t, { spec: pinned(text), setUp });
    t.match(seen.status, `${file}:`);
    hides(t, seen);
    t.same(seen.served, ['runc', 'bad', 'good'], 'the Shims are served');
  });

for (const [where, ask] of Object.entries(rows))
  t.test(`a secret in ${where}`, async (t) => {
    const seen = await seeRefusal(t, await ask(t));
    t.ok(
      seen.conditions.some(({ type, status }) => type === 'Degraded' && status === 'True'),
      'it fails',
    );
    hides(t, seen);
    t.ok(seen.served.includes('good'), 'the other Shim is served');
  });
