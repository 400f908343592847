/**
 * Parses a kubeconfig into the list of what has to be read to use it. Only the kinds of credentials that kubelets use are
 * supported; the others are refused by name.
 * https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */
import { dirname, resolve } from 'node:path/posix';
import { parse } from 'yaml';
import { Failure } from '../../protocol/problem/problem.ts';
import { type Fields, isFields, items } from '../../protocol/json.ts';

export type Source =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'inline'; readonly text: string };

export type ExecPlugin = {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly provideClusterInfo: boolean;
};

export type Access = {
  readonly server: string;
  readonly serverName?: string;
  readonly proxy?: string;
  readonly ca?: Source;
  readonly user:
    | { readonly kind: 'certificate'; readonly cert: Source; readonly key: Source }
    | { readonly kind: 'token'; readonly token: Source }
    | { readonly kind: 'exec'; readonly plugin: ExecPlugin };
};

const execVersions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];

const bad = (file: string, message: string, line?: number, hint?: string): Failure =>
  new Failure({
    code: 'bad-kubeconfig',
    message,
    where: line === undefined ? { file } : { file, line },
    ...(hint === undefined ? {} : { hint }),
  });

const readYaml = (text: string, file: string): Fields => {
  let value: unknown;
  try {
    value = parse(text, { logLevel: 'error' });
  } catch (error) {
    // The parser's message quotes lines of the file, which hold tokens and keys.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    const place = error instanceof Error && 'linePos' in error ? error.linePos : undefined;
    const line: unknown = Array.isArray(place) && isFields(place[0]) ? place[0].line : undefined;
    throw bad(file, `it is not YAML: ${code}`, typeof line === 'number' ? line : undefined);
  }
  if (!isFields(value)) throw bad(file, 'it is no kubeconfig');
  return value;
};

/** The entry of this name in a list of `{ name, <kind>: … }`. */
const named = (config: Fields, list: string, kind: string, name: unknown, file: string): Fields => {
  const entries = items(config[list]);
  const found = entries.filter(isFields).find((entry) => entry.name === name)?.[kind];
  if (!isFields(found)) throw bad(file, `it has no ${kind} called ${JSON.stringify(name)}`);
  return found;
};

const contextOf = (config: Fields, file: string): Fields => {
  const current = config['current-context'];
  const all = items(config.contexts);
  const [only] = all;
  // As other clients do for a single context without `current-context`.
  const name =
    current === undefined || current === '' ? isFields(only) && all.length === 1 && only.name : current;
  if (typeof name !== 'string') throw bad(file, 'it says no current-context');
  return named(config, 'contexts', 'context', name, file);
};

const text = (table: Fields, key: string, file: string): string | undefined => {
  const value = table[key];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw bad(file, `${key} is no text`);
  return value;
};

const source = (table: Fields, key: string, file: string): Source | undefined => {
  // As in client-go, inline data wins over a file name.
  const data = text(table, `${key}-data`, file);
  if (data !== undefined) return { kind: 'inline', text: Buffer.from(data, 'base64').toString('utf8') };
  const path = text(table, key, file);
  return path === undefined ? undefined : { kind: 'file', path: resolve(dirname(file), path) };
};

const pluginOf = (exec: Fields, file: string): ExecPlugin => {
  const apiVersion = text(exec, 'apiVersion', file) ?? '';
  if (!execVersions.includes(apiVersion)) {
    throw bad(
      file,
      `its exec plugin speaks ${apiVersion || 'no version'}, and not ${execVersions.join(' or ')}`,
    );
  }
  if (exec.interactiveMode === 'Always') throw bad(file, 'its exec plugin wants to talk to a person');
  const command = text(exec, 'command', file);
  if (command === undefined) throw bad(file, 'its exec plugin has no command');
  const args = items(exec.args);
  const env = items(exec.env);
  return {
    apiVersion,
    // A bare name is looked up in PATH; a path is relative to the kubeconfig's folder.
    command: command.includes('/') ? resolve(dirname(file), command) : command,
    args: args.map(String),
    env: Object.fromEntries(
      env.filter(isFields).map(({ name, value }) => [String(name), String(value ?? '')]),
    ),
    provideClusterInfo: exec.provideClusterInfo === true,
  };
};

const userOf = (user: Fields, file: string): Access['user'] => {
  // If both are given, the certificate wins, as in the API server.
  const cert = source(user, 'client-certificate', file);
  const key = source(user, 'client-key', file);
  if (cert !== undefined && key !== undefined) return { kind: 'certificate', cert, key };
  if (cert !== undefined) throw bad(file, 'its user has a client-certificate and no client-key');
  const tokenFile = text(user, 'tokenFile', file);
  if (tokenFile !== undefined) {
    return { kind: 'token', token: { kind: 'file', path: resolve(dirname(file), tokenFile) } };
  }
  const token = text(user, 'token', file);
  if (token !== undefined) return { kind: 'token', token: { kind: 'inline', text: token } };
  if (isFields(user.exec)) return { kind: 'exec', plugin: pluginOf(user.exec, file) };
  const other = ['username', 'auth-provider'].find((name) => user[name] !== undefined);
  throw bad(file, other === undefined ? 'its user has no credentials' : `${other} is not supported`);
};

/** `file`: the path of the kubeconfig; relative paths start at its folder. Throws Failure `bad-kubeconfig`. */
export const parseKubeconfig = (content: string, file: string): Access => {
  const config = readYaml(content, file);
  const context = contextOf(config, file);
  const cluster = named(config, 'clusters', 'cluster', context.cluster, file);
  const user = named(config, 'users', 'user', context.user, file);
  if (cluster['insecure-skip-tls-verify'] === true) {
    const hint =
      "Give the cluster's certificate-authority instead: any host that answers could make this node run anything.";
    throw bad(file, 'insecure-skip-tls-verify is not accepted', undefined, hint);
  }
  const server = text(cluster, 'server', file) ?? '';
  if (!URL.canParse(server) || new URL(server).protocol !== 'https:') {
    throw bad(file, 'its server is no https address');
  }
  const proxy = text(cluster, 'proxy-url', file);
  if (proxy !== undefined && !(URL.canParse(proxy) && /^https?:$/.test(new URL(proxy).protocol))) {
    throw bad(file, 'its proxy-url is no http or https address');
  }
  const serverName = text(cluster, 'tls-server-name', file);
  const ca = source(cluster, 'certificate-authority', file);
  return {
    server,
    ...(serverName === undefined ? {} : { serverName }),
    ...(proxy === undefined ? {} : { proxy }),
    ...(ca === undefined ? {} : { ca }),
    user: userOf(user, file),
  };
};
