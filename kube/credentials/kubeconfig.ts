/**
 * Credentials from a kubeconfig. Everything is read from the disk each time: the kubelet renews its certificate by
 * replacing a link, a token in a file is valid for an hour, and a kubeconfig is written again when a node joins again.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { type Access, parseKubeconfig, type Source } from './kubeconfig-file.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import type { Credentials } from '../connection.ts';
import type { Why } from '../session.ts';
import { asGiven, type CredentialFiles } from './credential-files.ts';
import type { Clock } from '../../host/host.ts';
import { execCredentials } from './exec-plugin.ts';
import type { Tools } from '../../host/exec.ts';

/** Tokens in files are valid for an hour at least, and are replaced well before they expire. */
const tokenFileMs = 60_000;
/** Certificate and key may be two files, of which only one is renewed yet. */
const mismatchMs = 200;

const noIdentity = (message: string, file: string): Failure =>
  new Failure({ code: 'no-identity', message, where: { file } });

const contentOf = async (files: CredentialFiles, source: Source): Promise<string> =>
  source.kind === 'inline' ? source.text : files.text(source.path);

type Pair = { readonly cert: string; readonly key: string };

const pair = async (files: CredentialFiles, cert: Source, key: Source): Promise<Pair> => {
  // The kubelet keeps both in one file; two reads could return two different renewals.
  const one = await contentOf(files, cert);
  const same = cert.kind === 'file' && key.kind === 'file' && cert.path === key.path;
  return { cert: one, key: same ? one : await contentOf(files, key) };
};

const belongTogether = ({ cert, key }: Pair): boolean => {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
};

const tokenPattern = /^[\x21-\x7e]+$/;

const tokenOf = async (files: CredentialFiles, source: Source, file: string): Promise<string> => {
  const token = (await contentOf(files, source)).trim();
  const where = source.kind === 'file' ? source.path : file;
  if (!tokenPattern.test(token)) throw noIdentity('it holds no token', where);
  return token;
};

type Client = Pick<Credentials, 'client' | 'readAgainAfter'>;

/** The credentials argument of `connectApi`. Throws Failure `no-identity`, `untrusted` or `bad-kubeconfig`. */
export const kubeconfigCredentials = (
  file: string,
  files: CredentialFiles,
  tools: Tools,
  clock: Clock,
): ((why: Why) => Promise<Credentials>) => {
  const plugin = execCredentials(files, tools, clock);

  const clientOf = async (access: Access, ca: string | undefined, why: Why): Promise<Client> => {
    const { user } = access;
    if (user.kind === 'exec') return plugin(user.plugin, access, ca, why);
    if (user.kind === 'token') {
      const token = await tokenOf(files, user.token, file);
      const readAgainAfter = clock.now() + tokenFileMs;
      return { client: { kind: 'token', token }, ...(user.token.kind === 'file' ? { readAgainAfter } : {}) };
    }
    const first = await pair(files, user.cert, user.key);
    if (belongTogether(first)) return { client: { kind: 'certificate', ...first } };
    await clock.sleep(mismatchMs);
    const second = await pair(files, user.cert, user.key);
    if (belongTogether(second)) return { client: { kind: 'certificate', ...second } };
    const where = user.cert.kind === 'file' ? user.cert.path : file;
    throw noIdentity('client certificate and key are damaged, or do not belong together', where);
  };

  return async (why) => {
    const access = parseKubeconfig(await files.text(file), file);
    const way = await wayOf(files, access);
    return { ...way, ...(await clientOf(access, way.ca, why)) };
  };
};

type Way = Omit<Credentials, 'client' | 'readAgainAfter'>;

const wayOf = async (
  files: CredentialFiles,
  { server, serverName, proxy, ca }: Omit<Access, 'user'>,
): Promise<Way> => ({
  server,
  ...(serverName === undefined ? {} : { serverName }),
  ...(proxy === undefined ? {} : { proxy }),
  ...(ca === undefined ? {} : { ca: await contentOf(files, ca) }),
});

/** The same API server under another identity: a token of our own, in a file that may be replaced at any time. */
export const tokenCredentials =
  (
    kubeconfig: string,
    files: CredentialFiles,
    token: () => Promise<string>,
    clock: Clock,
  ): (() => Promise<Credentials>) =>
  async () => ({
    ...(await wayOf(files, parseKubeconfig(await files.text(kubeconfig), kubeconfig))),
    client: { kind: 'token', token: await token() },
    readAgainAfter: clock.now() + tokenFileMs,
  });

/** An API server that no kubeconfig names, and a token in a file: what a Pod is given. */
export const tokenFileCredentials =
  (way: Omit<Access, 'user'>, file: string, clock: Clock): (() => Promise<Credentials>) =>
  async () => ({
    ...(await wayOf(asGiven, way)),
    client: { kind: 'token', token: await tokenOf(asGiven, { kind: 'file', path: file }, file) },
    readAgainAfter: clock.now() + tokenFileMs,
  });
