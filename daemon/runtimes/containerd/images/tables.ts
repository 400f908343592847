/**
 * What containerd's own configuration says of registries: the folders with hosts.toml, or, in the form that they replaced, lists of
 * addresses (containerd docs/cri/registry.md; internal/cri/server/images/image_pull.go, registryEndpoints).
 */
import {
  apiHost,
  type Endpoint,
  type Image,
  original,
  plainAccess,
} from '../../../../host/registry/endpoint.ts';
import { isTable, type Table, tableAt } from '../../../toml/compare.ts';
import type { Of } from '../../../registries/images.ts';

/** Of every version of the schema; a later file stands above an earlier one. */
const places = [
  ['plugins', 'cri', 'registry'],
  ['plugins', 'io.containerd.grpc.v1.cri', 'registry'],
  ['plugins', 'io.containerd.cri.v1.images', 'registry'],
] as const;

const tablesIn = ({ config }: Of): readonly Table[] =>
  config.flatMap(({ doc }) =>
    places.flatMap((place): readonly Table[] => {
      const table = doc && tableAt(doc, place);
      return table ? [table] : [];
    }),
  );

/** 2.2 has a default (`containerd config default`). */
const usualPath = (version: string): string => {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major > 2 || (major === 2 && minor >= 2) ? '/etc/containerd/certs.d:/etc/docker/certs.d' : '';
};

const lastText = (tables: readonly Table[], key: string): string | undefined =>
  tables.reduce<string | undefined>((found, table) => {
    const said = table[key];
    return typeof said === 'string' ? said : found;
  }, undefined);

/** Folders of registries; one without a slash at its begin is of no use to a service. */
export const foldersOf = (of: Of): readonly string[] => {
  const tables = tablesIn(of);
  const listed = tables.some(({ mirrors, configs }) => isTable(mirrors) || isTable(configs));
  const path = lastText(tables, 'config_path') ?? (listed ? '' : usualPath(of.version));
  return path.split(':').filter((one) => one.startsWith('/'));
};

const merged = (tables: readonly Table[], key: string): Table =>
  Object.assign({}, ...tables.map((table) => (isTable(table[key]) ? table[key] : {})));

const textIn = (table: Table | undefined, key: string): string | undefined => {
  const said = table?.[key];
  return typeof said === 'string' && said !== '' ? said : undefined;
};

/** `mirrors` and `configs`, which count only without a folder. */
export const listedIn = (of: Of, image: Image): readonly Endpoint[] => {
  const tables = tablesIn(of);
  const [mirrors, configs] = [merged(tables, 'mirrors'), merged(tables, 'configs')];
  const mirror = mirrors[image.host] ?? mirrors['*'];
  const said = isTable(mirror) && Array.isArray(mirror.endpoint) ? mirror.endpoint : [];
  const urls = said
    .map((one) => (/^https?:\/\//.test(String(one)) ? String(one) : `https://${String(one)}`))
    .filter((one) => URL.canParse(one))
    .map((one) => new URL(one));
  const isNamed = urls.some(({ host }) => host === image.host);
  const hosts = [...urls, ...(isNamed ? [] : [new URL(original(image).base)])];
  return hosts.map((url) => {
    const path = url.pathname.replace(/\/$/, '') || '/v2';
    const tls = tableAt(configs, [url.host, 'tls']);
    const [ca, cert, key] = ['ca_file', 'cert_file', 'key_file'].map((name) => textIn(tls, name));
    const unproven = tls?.insecure_skip_verify === true || url.protocol === 'http:';
    return {
      ...original(image, {
        ...plainAccess,
        ca: ca === undefined ? [] : [ca],
        client: cert === undefined ? [] : [{ cert, ...(key === undefined ? {} : { key }) }],
      }),
      base: `${url.origin}${path}`,
      ...(url.host === apiHost(image.host) ? {} : { mirrorOf: image.host }),
      ...(unproven ? { unproven, resolves: false } : {}),
    };
  });
};

/** Where containerd keeps its content (docs/content-flow.md, docs/ops.md); the command line stands above all files. */
export const contentOf = ({ config }: Of): string => {
  const root = config.reduce<string>((found, { doc }) => {
    const said = doc?.root;
    return typeof said === 'string' && said.startsWith('/') ? said : found;
  }, '/var/lib/containerd');
  return `${root.replace(/\/+$/, '')}/io.containerd.content.v1.content/blobs/sha256`;
};
