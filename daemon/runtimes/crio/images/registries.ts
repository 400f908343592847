/**
 * registries.conf: which registry stands for which part of the names of images, with its mirrors
 * (containers-registries.conf(5), containers-registries.conf.d(5); containers/image, pkg/sysregistriesv2).
 */
import {
  apiHost,
  apiRepository,
  type Endpoint,
  type Image,
  original,
} from '../../../../host/registry/endpoint.ts';
import { at, boolean, type Cursor, elements, fail, string, strings } from '../../../toml/cursor.ts';
import { isTable } from '../../../toml/compare.ts';
import { badFile, cursorOf } from '../../../registries/images.ts';

type Place = { readonly location: string; readonly insecure: boolean };
type Mirror = Place & { readonly byDigest: boolean };

export type Registry = Place & {
  readonly prefix: string;
  readonly blocked: boolean;
  readonly mirrors: readonly Mirror[];
  readonly file: string;
};

const trimmed = (cursor: Cursor): string => {
  const said = (string(cursor) ?? '').replace(/\/+$/, '');
  if (/^[a-z]+:\/\//i.test(said))
    fail(cursor, `"${String(cursor.path.at(-1))}" has a scheme, and none belongs there`);
  return said;
};

const mirrorOf = (cursor: Cursor, byDigestOnly: boolean): Mirror => {
  const location = trimmed(at(cursor, 'location'));
  if (location === '') fail(cursor, 'a mirror has no location');
  // What is only for tags is asked for content, too: what a tag means came from it, and the digest decides.
  const pull = string(
    at(cursor, 'pull-from-mirror'),
    /^(all|digest-only|tag-only|)$/,
    'all, digest-only or tag-only is expected',
  );
  return {
    location,
    insecure: boolean(at(cursor, 'insecure')) ?? false,
    byDigest: byDigestOnly || pull === 'digest-only',
  };
};

const registryOf = (cursor: Cursor): Registry => {
  const location = trimmed(at(cursor, 'location'));
  const prefix = trimmed(at(cursor, 'prefix')) || location;
  if (location === '' && !prefix.startsWith('*.')) fail(cursor, 'a registry has neither location nor prefix');
  const byDigestOnly = boolean(at(cursor, 'mirror-by-digest-only')) ?? false;
  return {
    location,
    prefix,
    insecure: boolean(at(cursor, 'insecure')) ?? false,
    blocked: boolean(at(cursor, 'blocked')) ?? false,
    mirrors: elements(at(cursor, 'mirror')).map((one) => mirrorOf(one, byDigestOnly)),
    file: cursor.file,
  };
};

/** Version 1 of the format has lists of registries. */
const ofVersion1 = (root: Cursor): readonly Registry[] => {
  const lists = at(root, 'registries');
  const listed = (key: string): readonly string[] =>
    isTable(lists.value) && isTable(at(lists, key).value) ? strings(at(at(lists, key), 'registries')) : [];
  const [blocked, insecure] = [listed('block'), listed('insecure')];
  return [...new Set([...blocked, ...insecure])].map((location) => ({
    location,
    prefix: location,
    insecure: insecure.includes(location),
    blocked: blocked.includes(location),
    mirrors: [],
    file: root.file,
  }));
};

export const registriesIn = (text: string, path: string): readonly Registry[] => {
  const root = cursorOf(text, path);
  return [...ofVersion1(root), ...elements(at(root, 'registry')).map(registryOf)];
};

/** How many characters of a name a prefix is; undefined: it is none of this name. */
const matchOf = (name: string, prefix: string): number | undefined => {
  const isWild = prefix.startsWith('*.');
  const begin = isWild ? name.indexOf(prefix.slice(1)) : name.startsWith(prefix) ? 0 : -1;
  if (begin < 0 || (isWild && name.slice(0, begin).includes('/'))) return undefined;
  const end = begin + (isWild ? prefix.length - 1 : prefix.length);
  return end === name.length || [':', '/', '@'].includes(name[end] ?? '') ? end : undefined;
};

/** Over https and, where it is said to be insecure, with any certificate, and then over http. */
const endpointsAt = ({ insecure }: Place, name: string, image: Image): readonly Endpoint[] => {
  const slash = name.indexOf('/');
  const there = {
    host: slash < 0 ? name : name.slice(0, slash),
    repository: slash < 0 ? '' : name.slice(slash + 1),
  };
  const one = original({ host: there.host, repository: apiRepository(there) });
  const mirror = apiHost(there.host) === apiHost(image.host) ? {} : { mirrorOf: image.host };
  if (!insecure) return [{ ...one, ...mirror }];
  const open = { ...one, ...mirror, resolves: false, unproven: true } as const;
  return [open, { ...open, base: open.base.replace(/^https:/, 'http:') }];
};

/** Registries of all files, in the order in which they are read: of two with one prefix the later one counts. */
export const endpointsFor = (registries: readonly Registry[], image: Image): readonly Endpoint[] => {
  const name = `${image.host}/${apiRepository(image)}`;
  const byPrefix = new Map(registries.map((one) => [one.prefix, one]));
  const [found] = [...byPrefix.values()]
    .flatMap((registry) => {
      const length = matchOf(name, registry.prefix);
      return length === undefined ? [] : [{ registry, length }];
    })
    .sort((a, b) => b.registry.prefix.length - a.registry.prefix.length);
  if (!found) return [original(image)];
  const { registry, length } = found;
  if (registry.blocked)
    throw badFile(
      registry.file,
      `images of "${registry.prefix}" are blocked`,
      'Take "blocked" out of it, or name another location in the shim.',
    );
  const nameAt = (location: string): string => (location === '' ? name : location + name.slice(length));
  return [
    ...registry.mirrors.flatMap((mirror) =>
      endpointsAt(mirror, nameAt(mirror.location), image).map((one) =>
        mirror.byDigest ? { ...one, resolves: false } : one,
      ),
    ),
    ...endpointsAt(registry, nameAt(registry.location), image),
  ];
};
