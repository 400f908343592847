/**
 * Which credentials are for which image, as the kubelet compares them (URLsMatch of pkg/credentialprovider/keyring.go,
 * https://kubernetes.io/docs/reference/config-api/kubelet-config.v1/): the same port, or none on both sides; as many parts of the
 * host, each by its own pattern; and a path that begins with that of the pattern, wherever that ends.
 */
import { globPattern } from '../../protocol/host-paths.ts';
import type { Image } from '../../host/registry/endpoint.ts';

type Split = { readonly parts: readonly string[]; readonly port: string; readonly path: string };

const split = (text: string): Split => {
  const slash = text.indexOf('/');
  const [authority, path] = slash < 0 ? [text, ''] : [text.slice(0, slash), text.slice(slash)];
  const [, host = authority, port = ''] = /^(.*):(\d+)$/.exec(authority) ?? [];
  return { parts: host.toLowerCase().split('.'), port, path };
};

export const matches = (pattern: string, { host, repository }: Image): boolean => {
  const [glob, target] = [split(pattern), split(`${host}/${repository}`)];
  return (
    glob.port === target.port &&
    glob.parts.length === target.parts.length &&
    target.path.startsWith(glob.path) &&
    glob.parts.every((part, at) => globPattern(`/${part}`).test(`/${target.parts[at]}`))
  );
};

/** Of keys that match, those that say more come first: the kubelet tries them in the reverse order of their text. */
export const bestFirst = (keys: readonly string[]): readonly string[] => [...keys].sort().reverse();

/** A key may be an address; the version of an old API behind the host says nothing. */
export const withoutScheme = (key: string): string =>
  key
    .replace(/^https?:\/\//i, '')
    .replace(/^([^/]+)\/v[12](\/|$)/, '$1/')
    .replace(/\/+$/, '');

/** Docker Hub has credentials under the address of an API that is no more (docker/cli, cli/config/configfile). */
export const withDefaultName = (key: string): string =>
  key.replace(/^(index\.docker\.io|registry-1\.docker\.io)(?=\/|$)/, 'docker.io');
