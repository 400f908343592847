/**
 * A file of credentials as docker, podman and kubelet have it (containers-auth.json(5)): `auths` by host, or by host and the begin
 * of a name. No message has a word of the file in it but the names of its keys: the rest are secrets.
 */
import { Failure } from '../../protocol/problem/problem.ts';
import { fields, isFields, parseJson } from '../../protocol/json.ts';
import type { Image } from '../../host/registry/endpoint.ts';
import type { Credential } from '../../host/registry/access.ts';
import { withDefaultName, withoutScheme } from './match.ts';

export type AuthFile = ReadonlyMap<string, Credential>;

const fail = (file: string, message: string, hint?: string): never => {
  throw new Failure({
    code: 'registry-credentials',
    message,
    where: { file },
    ...(hint === undefined ? {} : { hint }),
  });
};

const asText = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** `auth` is `user:password` in base64; beside it, or in its place, the two may stand as they are. */
const credentialOf = (entry: unknown): Credential | undefined => {
  const { auth, username, password, identitytoken, registrytoken } = fields(entry);
  const [bearer, identity] = [asText(registrytoken), asText(identitytoken)];
  if (bearer !== undefined) return { token: bearer };
  if (identity !== undefined) return { identityToken: identity };
  const said = Buffer.from(asText(auth) ?? '', 'base64').toString('utf8');
  const colon = said.indexOf(':');
  if (colon > 0)
    return {
      username: said.slice(0, colon),
      password: said.slice(colon + 1).replace(/\0+$/, ''),
    };
  const [user, secret] = [asText(username), asText(password)];
  return user === undefined || secret === undefined ? undefined : { username: user, password: secret };
};

const isFilled = (value: unknown): boolean =>
  (typeof value === 'string' && value !== '') || (isFields(value) && Object.keys(value).length > 0);

/** Throws `registry-credentials`. */
export const parseAuthFile = (text: string, file: string): AuthFile => {
  const value = parseJson(text);
  if (!isFields(value)) return fail(file, 'it is no JSON object');
  for (const key of ['credsStore', 'credHelpers'])
    if (isFilled(value[key]))
      fail(
        file,
        `"${key}" names programs to ask for credentials, and rcm-node runs none for a file`,
        'Give the credentials under "auths", or configure a credential provider of the kubelet (docs/registries.md), which is asked.',
      );
  const { auths } = value;
  if (!isFields(auths)) return fail(file, 'it has no "auths"', 'Write {"auths": {}} for none.');
  return new Map(
    Object.entries(auths).map(([key, entry]) => {
      const credential = credentialOf(entry);
      if (credential === undefined)
        return fail(file, `the entry "${key.slice(0, 200)}" of "auths" has no credentials that are known`);
      return [withDefaultName(withoutScheme(key)).toLowerCase(), credential] as const;
    }),
  );
};

/** The entry with the longest key that is the image's host, or its host and the begin of its name up to a slash. */
export const credentialIn = (file: AuthFile, { host, repository }: Image): Credential | undefined => {
  const parts = withDefaultName(`${host.toLowerCase()}/${repository}`).split('/');
  for (let length = parts.length; length > 0; length--) {
    const found = file.get(parts.slice(0, length).join('/'));
    if (found) return found;
  }
  return undefined;
};
