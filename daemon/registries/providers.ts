/**
 * The kubelet's credential providers: which of them is asked for an image, what it is asked, and what its answer means
 * (https://kubernetes.io/docs/reference/config-api/kubelet-credentialprovider.v1/, pkg/credentialprovider/plugin/plugin.go).
 */
import { Failure } from '../../protocol/problem/problem.ts';
import { fields, isFields, items, parseJson, text, texts } from '../../protocol/json.ts';
import type { Credential } from '../../host/registry/access.ts';
import type { Image } from '../../host/registry/endpoint.ts';
import { bestFirst, matches, withDefaultName, withoutScheme } from './match.ts';

export type Provider = {
  /** Of the program, in the folder of providers. */
  readonly name: string;
  readonly matchImages: readonly string[];
  readonly defaultCacheMs: number;
  readonly apiVersion: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

export type Answer = {
  /** For which images it may be used again, and for how long; absent: for none. */
  readonly keep?: { readonly key: 'Image' | 'Registry' | 'Global'; readonly ms: number };
  /** By pattern. */
  readonly auth: ReadonlyMap<string, Credential>;
};

const version = /^credentialprovider\.kubelet\.k8s\.io\/v1(alpha1|beta1)?$/;
const configVersion = /^kubelet\.config\.k8s\.io\/v1(alpha1|beta1)?$/;

const unit: Readonly<Record<string, number>> = {
  ...{ ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 },
};

/** As Go writes and reads one: `1h30m`, `0s`, `0`. In ms; undefined: it is none. */
export const durationMs = (value: unknown): number | undefined => {
  if (value === 0 || value === '0') return 0;
  if (typeof value !== 'string' || !/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(value)) return undefined;
  const parts = value.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g);
  return [...parts].reduce((sum, [, count, name = 's']) => sum + Number(count) * (unit[name] ?? 0), 0);
};

const fail = (file: string, message: string): never => {
  throw new Failure({ code: 'registry-credentials', message, where: { file } });
};

const providerOf = (value: unknown, file: string): Provider => {
  const given = fields(value);
  const name = text(given.name) ?? '';
  // It becomes a part of a path; the kubelet has the same rule.
  if (!/^[^/\s]+$/.test(name) || name === '.' || name === '..')
    return fail(file, 'the name of a credential provider is no name of a file');
  const apiVersion = text(given.apiVersion) ?? '';
  if (!version.test(apiVersion)) return fail(file, `the apiVersion of the provider ${name} is not known`);
  const defaultCacheMs = durationMs(given.defaultCacheDuration);
  if (defaultCacheMs === undefined)
    return fail(file, `defaultCacheDuration of the provider ${name} is missing`);
  return {
    name,
    matchImages: texts(given.matchImages),
    defaultCacheMs,
    apiVersion,
    args: texts(given.args),
    env: Object.fromEntries(
      items(given.env).map((one) => [text(fields(one).name) ?? '', text(fields(one).value) ?? '']),
    ),
  };
};

/** One that cannot do without the token of a Pod's service account has none here. */
const needsPod = (value: unknown): boolean => {
  const { serviceAccountTokenAudience, requireServiceAccount } = fields(fields(value).tokenAttributes);
  return Boolean(serviceAccountTokenAudience) && requireServiceAccount === true;
};

/** Of a file that was parsed already. Throws `registry-credentials`. */
export const providersIn = (value: unknown, file: string): readonly Provider[] => {
  const config = fields(value);
  if (config.kind !== 'CredentialProviderConfig' || !configVersion.test(text(config.apiVersion) ?? ''))
    return fail(file, 'it is no CredentialProviderConfig of a version that is known');
  return items(config.providers)
    .filter((one) => !needsPod(one))
    .map((one) => providerOf(one, file));
};

export const isFor = ({ matchImages }: Provider, image: Image): boolean =>
  matchImages.some((pattern) => matches(pattern, image));

export const question = ({ apiVersion }: Provider, { host, repository }: Image): string =>
  JSON.stringify({ apiVersion, kind: 'CredentialProviderRequest', image: `${host}/${repository}` });

/** Undefined for what is no answer: its text may be a secret, and is not told. */
export const answerOf = (provider: Provider, stdout: string): Answer | undefined => {
  const value = parseJson(stdout);
  if (!isFields(value) || value.kind !== 'CredentialProviderResponse') return undefined;
  const { apiVersion, cacheKeyType: key, cacheDuration, auth } = value;
  if (apiVersion !== provider.apiVersion || (key !== 'Image' && key !== 'Registry' && key !== 'Global'))
    return undefined;
  const ms =
    cacheDuration === undefined || cacheDuration === null
      ? provider.defaultCacheMs
      : durationMs(cacheDuration);
  if (ms === undefined) return undefined;
  const known = Object.entries(fields(auth)).flatMap(([pattern, entry]) => {
    const { username, password } = fields(entry);
    return typeof username === 'string' && typeof password === 'string'
      ? [[pattern, { username, password }] as const]
      : [];
  });
  return { auth: new Map(known), ...(ms > 0 ? { keep: { key, ms } } : {}) };
};

/** What is kept of an answer is found again by this. */
export const cacheKey = (key: 'Image' | 'Registry' | 'Global', { host, repository }: Image): string =>
  ({ Image: `${host}/${repository}`, Registry: host, Global: '' })[key];

export const credentialOf = ({ auth }: Answer, image: Image): Credential | undefined => {
  const best = bestFirst([...auth.keys()]).find((key) => matches(withDefaultName(withoutScheme(key)), image));
  return best === undefined ? undefined : auth.get(best);
};
