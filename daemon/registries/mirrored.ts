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

/** What stands behind the prefix; undefined: it is none of this text, or ends within a part of it. */
const behind = (text: string, prefix: string): string | undefined => {
  if (prefix === everything) return `/${text.slice(everything.length)}`;
  const bare = prefix.replace(/\/+$/, '');
  const rest = text.slice(bare.length);
  return text.startsWith(bare) && (rest === '' || rest.startsWith('/')) ? rest : undefined;
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
  const [to = '', ...parts] = (best.replace.slice(everything.length).replace(/\/+$/, '') + best.rest).split(
    '/',
  );
  return { kind: 'registry', image: { host: to.toLowerCase(), repository: parts.join('/') } };
};
