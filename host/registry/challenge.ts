/**
 * What a registry asks for with 401, and where a token may be had. The registry may be anyone, so the realm is checked: it decides
 * to whom credentials go.
 * https://distribution.github.io/distribution/spec/auth/token/, RFC 9110 section 11.6.1
 */

export type Actions = 'pull' | 'pull,push';

export type Challenge = { readonly scheme: string; readonly params: Readonly<Record<string, string>> };

/** A server that sends more is not read further: the expressions below are tried at each place. */
const longest = 8192;

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const parameter = /\s*,?\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y;
const between = /[\s,]*/y;

const take = (expression: RegExp, text: string, at: number): RegExpExecArray | null => {
  expression.lastIndex = at;
  return expression.exec(text);
};

/** Several may stand in one header, and one is enough. What cannot be read ends the list. */
export const parseChallenges = (header: string): readonly Challenge[] => {
  const text = header.slice(0, longest);
  const challenges: Challenge[] = [];
  for (let at = 0; at < text.length; ) {
    at += take(between, text, at)?.[0].length ?? 0;
    const scheme = take(token, text, at)?.[0];
    if (scheme === undefined) break;
    at += scheme.length;
    const params: Record<string, string> = {};
    for (let found = take(parameter, text, at); found; found = take(parameter, text, at)) {
      const [all, name = '', quoted, plain] = found;
      params[name.toLowerCase()] = plain ?? (quoted ?? '').replace(/\\(.)/g, '$1');
      at += all.length;
    }
    challenges.push({ scheme: scheme.toLowerCase(), params });
  }
  return challenges;
};

/** Of what the registry says may be had, a node needs only to pull. */
const scopeOf = (asked: string | undefined, repository: string, actions: Actions): string => {
  const name = /^repository:([a-z0-9._/-]{1,255}):/.exec(asked ?? '')?.[1];
  return `repository:${name ?? repository}:${actions}`;
};

/**
 * The address of a token. A realm is https, or the registry itself where that is spoken to over plain http; it has no userinfo, and
 * its host is allowed on this node.
 */
export const tokenAddress = (
  { params }: Challenge,
  registry: URL,
  repository: string,
  allows: (host: URL) => boolean,
  actions: Actions = 'pull',
): URL | { readonly wrong: string; readonly code: 'policy-denied' | 'download-refused' } => {
  const { realm = '', service, scope } = params;
  const unsafe = (wrong: string) => ({ wrong, code: 'download-refused' }) as const;
  if (!URL.canParse(realm)) return unsafe('the registry names no address for its tokens');
  const url = new URL(realm);
  const isOwn = url.origin === registry.origin;
  if (url.protocol !== 'https:' && !isOwn)
    return unsafe(`the registry wants tokens to be fetched from ${url.host} without TLS`);
  if (url.username !== '' || url.password !== '')
    return unsafe('the registry names an address with a user for its tokens');
  if (!isOwn && !allows(url))
    return {
      wrong: `the registry wants tokens to be fetched from "${url.hostname}", which is not allowed on this node (allowedHosts)`,
      code: 'policy-denied',
    };
  url.hash = '';
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', scopeOf(scope, repository, actions));
  return url;
};
