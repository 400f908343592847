/**
 * The location of an artifact as a policy compares it. One address can be written in many ways, and a policy that misses one of
 * them is no policy: so different addresses may count as one in the canonical form, and never one address as two.
 */

const decoded = (path: string): string =>
  path.replace(/%[0-9a-f]{2}/gi, (escaped) => {
    const code = Number.parseInt(escaped.slice(1), 16);
    return code > 0x20 && code < 0x7f ? String.fromCharCode(code) : escaped;
  });

/** Without empty and dot segments. To some servers a backslash is a slash, and what follows a semicolon is no part of the name. */
const plain = (path: string): string => {
  const segments: string[] = [];
  for (const part of path.split(/[/\\]/)) {
    const segment = part.replace(/;.*$/s, '');
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return segments.map((segment) => `/${segment}`).join('');
};

/** Docker Hub has several names. */
const hub = /^(?:docker\.io|index\.docker\.io|registry-1\.docker\.io)$/;

/**
 * There "library" may be left out of a name with two parts. Not of a prefix, which would be one of all images then; and not of a
 * name with three.
 */
const namesOf = (location: string): readonly string[] => {
  const name = /^oci:\/\/docker\.io\/(?:library\/)?([^/]+)$/.exec(location)?.[1];
  return name === undefined ? [location] : ['', 'library/'].map((one) => `oci://docker.io/${one}${name}`);
};

/**
 * Without userinfo, query, fragment, default port and a slash at the end; in lower case, since hosts ignore case and so do some
 * servers (the owner and the name of a repository on github.com); http counts as https. Undefined for what is no address.
 */
export const canonicalLocation = (location: string): string | undefined => {
  const [, scheme, rest] = /^(https?|file|oci):(.*)$/is.exec(location) ?? [];
  if (scheme === undefined) return undefined;
  const isOci = scheme.toLowerCase() === 'oci';
  // Of a scheme that it does not know, URL takes a host and a port as they are.
  const text = isOci ? `https:${rest}` : location;
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, port, pathname } = new URL(text);
  const name = protocol === 'file:' ? 'file' : isOci ? 'oci' : 'https';
  const bare = hostname.replace(/\.$/, '').toLowerCase();
  const host = `${isOci && hub.test(bare) ? 'docker.io' : bare}${port === '' ? '' : `:${port}`}`;
  return `${name}://${host}${plain(decoded(pathname))}`.toLowerCase();
};

/**
 * As it is written, but for what no server tells apart. Different addresses are different here: what needs no signature must not
 * grow by the readings of other servers. An image has one spelling.
 */
export const exactLocation = (location: string): string | undefined => {
  const canonical = canonicalLocation(location);
  if (canonical === undefined || canonical.startsWith('oci:')) return canonical;
  const { protocol, hostname, port, pathname } = new URL(location);
  return `${protocol}//${hostname.replace(/\.$/, '')}${port === '' ? '' : `:${port}`}${pathname.replace(/\/$/, '')}`;
};

/** Both of one form. A prefix ends where a segment of the path ends, or before the tag or the digest of an image. */
export const isBelow = (location: string, prefix: string): boolean => {
  if (prefix === '') return true;
  const isEnd = location.startsWith('oci:') && prefix.indexOf('/', 6) > 0 ? ['', '/', ':', '@'] : ['', '/'];
  return namesOf(location).some(
    (name) => name.startsWith(prefix) && isEnd.includes(name[prefix.length] ?? ''),
  );
};

/** A proxy and the server behind it may each decode it. */
const decodedAgain = (location: string): string => location.replace(/%(?:25)+(?=[0-9a-f]{2})/gi, '%');

/** The forms in which servers may read it: some take an encoded slash for a part of a name. Empty for what is no address. */
export const readingsOf = (location: string): readonly string[] =>
  [location, location.replace(/%(?=2f|5c)/gi, '%25'), decodedAgain(location)].flatMap(
    (text) => canonicalLocation(text) ?? [],
  );
