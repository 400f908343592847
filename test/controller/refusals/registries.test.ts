/** Refusals of what comes from a registry, with a stand-in for one. Every stop: many whole ticks. */
import type { Test } from 'tap';
import type { Asked } from '../../../testbed/controller/refused-shim.ts';
import type { Node } from '../../../testbed/simulated/node.ts';
import {
  type Blob,
  type Lie,
  makeStore,
  serveRegistry,
  type Store,
  types,
} from '../../host/registry/served.ts';
import { type Row, refuseAll, text } from './checks.ts';

const hosts = '/etc/certs.d/registry.example/hosts.toml';

/** A Shim that names what `make` puts into a registry, which the node asks for registry.example. */
const held =
  (make: (store: Store) => Blob, lie?: Lie, more: (host: Node) => void = () => undefined) =>
  async (t: Test): Promise<Asked> => {
    const store = makeStore();
    const { digest } = make(store);
    const registry = await serveRegistry(t, store, lie);
    return {
      spec: { fetchStrategy: { oci: { image: `registry.example/team/bad@${digest}` } } },
      setUp: (host) => {
        host.write(
          '/etc/containerd/config.toml',
          'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "/etc/certs.d"\n',
        );
        host.write(hosts, `server = "http://${registry.host}"\n`);
        host.write('/etc/rcm-node/config.toml', 'attempts = 1\n');
        more(host);
      },
    };
  };

const files =
  (...names: readonly string[]) =>
  (store: Store) =>
    store.artifact(Object.fromEntries(names.map((name) => [name, Buffer.from(text)])));
const shim = files('containerd-shim-bad');
const answering =
  (status: number, headers: Readonly<Record<string, string>> = {}): Lie =>
  (_request, response) => {
    response.writeHead(status, headers).end();
    return true;
  };

const rows: readonly Row[] = [
  {
    why: 'an artifact with two other shims',
    asked: held(files('containerd-shim-a', 'containerd-shim-b')),
    code: 'bad-archive',
    says: /oci:\/\/registry\.example\/team\/bad@sha256:[0-9a-f]{64}: .*containerd-shim-a/,
  },
  {
    why: 'an image for another machine',
    asked: held((store) => store.image([store.blob(types.tar, Buffer.from('x'))], 'arm64')),
    code: 'no-platform',
    says: /oci:\/\/registry\.example\/team\/bad@sha256:[0-9a-f]{64}: .*linux\/arm64/,
  },
  {
    why: 'nothing by that digest',
    asked: held(shim, answering(404)),
    code: 'download-refused',
    says: /team\/bad\/manifests\/sha256:[0-9a-f]{64}.*404/,
  },
  {
    why: 'no access',
    asked: held(shim, answering(401, { 'www-authenticate': 'Basic realm="team"' })),
    code: 'download-refused',
    says: /refuses access \(401\)/,
  },
  {
    why: 'other bytes than the digest says',
    asked: held(shim, (_request, response) => {
      response.writeHead(200).end('{}');
      return true;
    }),
    code: 'digest-mismatch',
    says: /team\/bad.*expected sha256 [0-9a-f]{64}, found /,
  },
  {
    why: 'a file of mirrors that cannot be understood',
    asked: held(shim, undefined, (host) => host.write(hosts, '[host')),
    code: 'registry-config',
    says: /oci:\/\/registry\.example\/team\/bad@sha256:[0-9a-f]{64}: .*registry\.example/,
  },
];

refuseAll(rows);
