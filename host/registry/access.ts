/**
 * Access to one registry: what it asks for with 401 is answered by a token, by a user and a password, or not at all. No credential
 * goes over plain http, to another host by a redirect, or to a realm that challenge.ts refuses.
 */
import { Failure } from '../../protocol/problem/problem.ts';
import { fields, parseJson, text } from '../../protocol/json.ts';
import { refused } from '../http/deadlines.ts';
import { bring } from '../http/download.ts';
import type { Access, DownloadOptions, Place, Tls } from '../http/options.ts';
import { intoMemory } from '../http/target.ts';
import type { Endpoint } from './endpoint.ts';
import { type Actions, type Challenge, parseChallenges, tokenAddress } from './challenge.ts';

/** `token` is sent to the registry as it is; `identityToken` is exchanged for one, as `docker login` stores it for some registries. */
export type Credential =
  | { readonly username: string; readonly password: string }
  | { readonly token: string }
  | { readonly identityToken: string };

export type AccessTo = {
  readonly endpoint: Endpoint;
  /** For the host of the endpoint. */
  readonly credential: () => Promise<Credential | undefined>;
  readonly http: DownloadOptions;
  /** Absent: `pull`. */
  readonly actions?: Actions;
};

/** Registries give some kilobytes; headers of more are refused by most servers. */
const maxTokenBytes = 64 * 1024;
const headerValue = /^[\x21-\x7e]{1,16384}$/;

const basicOf = (credential: Credential | undefined): string | undefined =>
  credential !== undefined && 'username' in credential
    ? `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`
    : undefined;

/** A refresh token is exchanged with POST; what the address asks for is in the form then (docs/spec/auth/oauth.md of distribution). */
const tokenPlace = (
  address: URL,
  credential: Credential | undefined,
): Pick<Place, 'location' | 'form'> & { readonly authorization?: string } => {
  if (credential === undefined || !('identityToken' in credential)) {
    const authorization = basicOf(credential);
    return { location: address.href, ...(authorization === undefined ? {} : { authorization }) };
  }
  const form = new URLSearchParams(address.searchParams);
  form.set('grant_type', 'refresh_token');
  form.set('client_id', 'rcm-node');
  form.set('refresh_token', credential.identityToken);
  return { location: `${address.origin}${address.pathname}`, form };
};

const fetchToken = async (
  address: URL,
  credential: Credential | undefined,
  tls: Tls,
  http: DownloadOptions,
): Promise<string> => {
  const { authorization, ...place } = tokenPlace(address, credential);
  const got: { bytes?: Buffer } = {};
  const target = intoMemory((bytes) => {
    got.bytes = bytes;
  });
  const access: Access = {
    headers: () => (authorization === undefined ? {} : { authorization }),
    challenged: async () => false,
    explain: (status) =>
      status === 401 || status === 403
        ? {
            message: `the registry gives no token (${status})`,
            hint:
              credential === undefined
                ? 'Name a file of credentials in /etc/rcm-node/config.toml ([registries] credentials), or correct the name of the repository: many registries answer so for one that does not exist.'
                : 'Correct the credentials that this node has for the registry.',
          }
        : undefined,
  };
  const options = { ...http, maxBytes: maxTokenBytes, decidesNothing: true };
  await bring([{ ...place, tls, access, askedMs: 0 }], undefined, target, options);
  const answer = fields(parseJson(got.bytes?.toString() ?? ''));
  const token = text(answer.token) ?? text(answer.access_token) ?? '';
  if (!headerValue.test(token)) throw refused(`${address.host} answered without a token`);
  return token;
};

/** What is known of a registry while its parts are fetched: a token is asked for once, and again when it has expired. */
export const accessTo = ({ endpoint, credential, http, actions }: AccessTo): Access => {
  const { repository, headers } = endpoint;
  const base = new URL(endpoint.base);
  const known: { authorization?: string; refused?: string; had?: boolean } = {};
  const isPlain = base.protocol === 'http:' || endpoint.unproven === true;
  const fixed = Object.fromEntries(
    Object.entries(headers).map(([name, values]) => [name.toLowerCase(), values.join(', ')]),
  );
  /** What the registry is reached with is for a server of tokens of the same name only. */
  const tlsFor = (address: URL): Tls =>
    address.origin === base.origin
      ? { ca: endpoint.ca, client: endpoint.client, ...(endpoint.unproven ? { unproven: true } : {}) }
      : { ca: endpoint.ca, client: [] };
  const bearer = async (challenge: Challenge, given: Credential | undefined): Promise<string | undefined> => {
    if (given !== undefined && 'token' in given) return `Bearer ${given.token}`;
    const allows = (host: URL): boolean => http.allows?.(host) !== false;
    const address = tokenAddress(challenge, base, repository, allows, actions);
    if ('wrong' in address) throw new Failure({ code: address.code, message: address.wrong });
    return `Bearer ${await fetchToken(address, given, tlsFor(address), http)}`;
  };
  return {
    headers: () => ({
      ...fixed,
      ...(known.authorization === undefined ? {} : { authorization: known.authorization }),
    }),
    challenged: async (header) => {
      const challenges = parseChallenges(header);
      const given = isPlain ? undefined : await credential();
      known.had = given !== undefined;
      const wants = (scheme: string): Challenge | undefined =>
        challenges.find((one) => one.scheme === scheme);
      const asked = wants('bearer');
      const next = asked ? await bearer(asked, given) : wants('basic') && basicOf(given);
      if (next === undefined || !/^[\x20-\x7e]+$/.test(next)) return false;
      known.authorization = next;
      return true;
    },
    explain: (status) => explain(status, isPlain, known.had === true),
  };
};

const explain = (status: number, isPlain: boolean, hadCredential: boolean): ReturnType<Access['explain']> => {
  if (status === 404)
    return {
      message: 'the registry has nothing of this name (404)',
      hint: 'Correct the repository, the tag or the digest; some registries answer so, too, where credentials are missing.',
    };
  if (status !== 401 && status !== 403) return undefined;
  const message = `the registry refuses access (${status})`;
  if (isPlain)
    return {
      message,
      hint: 'No credentials are sent without TLS, or to a server whose certificate is not looked at: give the registry a certificate, and its CA to this node.',
    };
  return {
    message,
    hint: hadCredential
      ? 'The credentials that this node has for the registry are refused: correct them, or let them pull this repository.'
      : 'Name a file of credentials in /etc/rcm-node/config.toml ([registries] credentials): this node has none for this host. See docs/registries.md.',
  };
};
