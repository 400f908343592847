/**
 * hosts.toml of a registry: the hosts to ask before it, and how each is reached
 * (containerd docs/hosts.md, core/remotes/docker/config/hosts.go).
 */
import { resolvePath } from '../../../../protocol/host-paths.ts';
import {
  apiHost,
  type Endpoint,
  type Image,
  original,
  plainAccess,
} from '../../../../host/registry/endpoint.ts';
import { at, boolean, type Cursor, elements, entries, fail, string } from '../../../toml/cursor.ts';
import { cursorOf, textOrTexts } from '../../../registries/images.ts';

const capabilities = ['pull', 'resolve', 'push'];

/** `pull` and `resolve`; both where nothing is said. */
const capabilitiesOf = (cursor: Cursor): Pick<Endpoint, 'pulls' | 'resolves'> => {
  const list = textOrTexts(cursor).map((one) => one.toLowerCase());
  const odd = list.find((one) => !capabilities.includes(one));
  if (odd !== undefined) fail(cursor, `a capability is pull, resolve or push, and not "${odd.slice(0, 40)}"`);
  return {
    pulls: list.length === 0 || list.includes('pull'),
    resolves: list.length === 0 || list.includes('resolve'),
  };
};

/** A file with certificate and key, a list of such files, or a list of pairs of files. */
const clientOf = (cursor: Cursor, folder: string): Endpoint['client'] => {
  if (!Array.isArray(cursor.value))
    return textOrTexts(cursor).map((cert) => ({ cert: resolvePath(folder, cert) }));
  return elements(cursor).map((one) => {
    const [cert, key, ...more] = textOrTexts(one).map((path) => resolvePath(folder, path));
    if (cert === undefined || more.length > 0)
      return fail(one, 'a certificate, or a pair of certificate and key, is expected');
    return { cert, ...(key === undefined ? {} : { key }) };
  });
};

const headersOf = (cursor: Cursor): Endpoint['headers'] =>
  Object.fromEntries(entries(cursor).map(([name, one]) => [name, textOrTexts(one)]));

/** The root of the API: `/v2` behind the path, unless the address says that it is the root already. */
const rootOf = (cursor: Cursor, address: string): URL => {
  const whole = /^https?:/.test(address) ? address : `https://${address}`;
  if (!URL.canParse(whole)) return fail(cursor, 'an address of a registry is expected');
  const url = new URL(whole);
  // They would be shown, and sent to where the file does not say.
  if (url.username !== '' || url.password !== '')
    fail(cursor, 'an address of a registry has no user and password');
  return url;
};

const baseOf = (cursor: Cursor, address: string, overridesPath: boolean): string => {
  const { origin, pathname } = rootOf(cursor, address);
  const path = pathname.replace(/\/+/g, '/').replace(/\/$/, '');
  return `${origin}${path}${overridesPath || path.endsWith('/v2') ? '' : '/v2'}`;
};

/** What a table says of the host that it is for; `address` undefined: the registry itself. */
const endpointOf = (table: Cursor, address: string | undefined, folder: string, image: Image): Endpoint => {
  const overridesPath = boolean(at(table, 'override_path')) ?? false;
  const access = {
    ca: textOrTexts(at(table, 'ca')).map((path) => resolvePath(folder, path)),
    client: clientOf(at(table, 'client'), folder),
    headers: headersOf(at(table, 'header')),
  };
  const plain = original(image, access);
  const base = address === undefined ? plain.base : baseOf(table, address, overridesPath);
  const can =
    address === undefined ? { pulls: true, resolves: true } : capabilitiesOf(at(table, 'capabilities'));
  const unproven = boolean(at(table, 'skip_verify')) === true || base.startsWith('http:');
  return {
    ...plain,
    base,
    ...(new URL(base).host === apiHost(image.host) ? {} : { mirrorOf: image.host }),
    ...can,
    ...(unproven ? { unproven, resolves: false } : {}),
  };
};

/** Of the file with this text; `folder` is the one that it is in. Throws `registry-config`. */
export const endpointsIn = (text: string, folder: string, image: Image): readonly Endpoint[] => {
  const root = cursorOf(text, `${folder}/hosts.toml`);
  const server = string(at(root, 'server'));
  return [
    ...entries(at(root, 'host')).map(([address, table]) => endpointOf(table, address, folder, image)),
    endpointOf(root, server === '' ? undefined : server, folder, image),
  ];
};

/** `ca` and `client` as files in the folder, where it has no hosts.toml. */
export const ofCertificates = (
  image: Image,
  access: Pick<Endpoint, 'ca' | 'client'>,
): readonly Endpoint[] => [original(image, { ...plainAccess, ...access })];
