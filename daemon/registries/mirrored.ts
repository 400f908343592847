/**
 * The `[[mirrors]]` of config.toml for an image: the longest prefix of its `oci:` location is replaced, by that of a registry, or by a
 * folder (`file:`, or of a web server) in which manifests and blobs lie as the API of a registry has them.
 */
import { type Endpoint, type Image, plainAccess } from '../../host/registry/endpoint.ts';

type Mirror = { readonly prefix: string; readonly replace: string };

export type Mirrored =
  | { readonly kind: 'registry'; readonly image: Image }
  | { readonly kind: 'folder'; readonly endpoint: Endpoint };

const everything = 'oci://';

/** In the name of a repository there is no colon, which a host with a port has. */
const named = (text: string): string => text.replaceAll(':', '-').toLowerCase();

/** What stands behind the prefix; undefined: it is none of this text, or ends within a part of it. */
const behind = (text: string, prefix: string): string | undefined => {
  if (/^[a-z]+:\/\/$/.test(prefix))
    return text.startsWith(prefix) ? `/${text.slice(prefix.length)}` : undefined;
  const bare = prefix.replace(/\/+$/, '');
  const rest = text.slice(bare.length);
  return text.startsWith(bare) && (rest === '' || rest.startsWith('/')) ? rest : undefined;
};

/** A registry, and with what its names begin. */
const imageAt = (replace: string): Image => {
  const [host = '', ...parts] = replace.slice(everything.length).replace(/\/+$/, '').split('/');
  return { host: host.toLowerCase(), repository: parts.join('/') };
};

const inFolder = (replace: string, rest: string): Endpoint => {
  const whole = replace.replace(/\/+$/, '') + rest;
  // A prefix may be the whole location: the last part of the folder is the repository then.
  const cut = rest === '' ? whole.lastIndexOf('/') : whole.length - rest.length;
  return {
    base: whole.slice(0, cut),
    repository: whole.slice(cut + 1),
    // Which digest a tag has is for a registry to say; a folder may be an old copy.
    resolves: false,
    pulls: true,
    ...(whole.startsWith('http:') ? { unproven: true } : {}),
    ...plainAccess,
  };
};

export const mirroredBy = (mirrors: readonly Mirror[], { host, repository }: Image): Mirrored | undefined => {
  const text = `${everything}${host}/${repository}`;
  const [best] = mirrors
    .flatMap(({ prefix, replace }) => {
      const rest = prefix.startsWith(everything) ? behind(text, prefix) : undefined;
      return rest === undefined ? [] : [{ prefix, replace, rest }];
    })
    .sort((a, b) => b.prefix.length - a.prefix.length);
  if (!best) return undefined;
  if (!best.replace.startsWith(everything))
    return { kind: 'folder', endpoint: inFolder(best.replace, best.rest) };
  const to = imageAt(best.replace);
  return {
    kind: 'registry',
    image: { ...to, repository: (to.repository + named(best.rest)).replace(/^\//, '') },
  };
};

/**
 * The repository in which a registry has this file of a web server, under its sha256 as a tag: addresses are no names of
 * repositories. Undefined: no registry is a mirror of it.
 */
export const fileMirror = (mirrors: readonly Mirror[], location: string): Image | undefined => {
  const [best] = mirrors
    .filter(({ prefix }) => /^https?:/.test(prefix) && behind(location, prefix) !== undefined)
    .sort((a, b) => b.prefix.length - a.prefix.length);
  if (!best?.replace.startsWith(everything)) return undefined;
  const image = imageAt(best.replace);
  return image.repository === '' ? { ...image, repository: 'files' } : image;
};
