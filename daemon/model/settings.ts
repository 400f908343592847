/**
 * /etc/rcm-node/config.toml: settings, and the node's own policy, which no cluster may widen. Text in, complete
 * `Settings` out, or a Failure with file, line and column.
 */
import {
  at,
  boolean,
  type Cursor,
  elements,
  fail,
  integer,
  printKey,
  required,
  rootOf,
  string,
  strings,
  table,
} from '../toml/cursor.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import { parseToml } from '../toml/toml.ts';
import { type SignaturePolicy, signaturePolicies } from './signatures.ts';

export type Mirror = { readonly prefix: string; readonly replace: string };

export type Settings = {
  /** Seconds between two full ticks; file watches start most ticks sooner. */
  readonly interval: number;
  /** Seconds between two full verifications of the store's digests. */
  readonly sweep: number;
  readonly allowUnpinned: boolean;
  readonly allowedHosts: readonly string[];
  readonly maxArtifactBytes: number;
  /** Seconds: for one whole download, and without data during it. */
  readonly downloadTimeout: number;
  readonly idleTimeout: number;
  readonly attempts: number;
  readonly mirrors: readonly Mirror[];
  /** Who must have signed what; a location that no policy fits needs no signature. */
  readonly signatures: readonly SignaturePolicy[];
  readonly proxy: { readonly http?: string; readonly https?: string; readonly no?: string };
  readonly extraCa: string | undefined;
  readonly registries: RegistrySettings;
  readonly unit: string | undefined;
  /** Seconds to wait for a moment without a container being created. */
  readonly quiet: number;
  /** Seconds that the runtime has to stay healthy to count as proven. */
  readonly stable: number;
  readonly repairsPerHour: number;
  /** Restarts of the runtime within an hour that happen at once; each further one waits longer. */
  readonly restartsPerHour: number;
  /** Handlers with which no sandbox is started for a proof; "*" is all of them. */
  readonly verifyExcept: readonly string[];
  /** What earlier installers left is replaced as by `rcm-node takeover --apply`, when the service starts and once a sweep. */
  readonly takeover: boolean;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly cluster: ClusterSettings;
  /** The node's policy is unknown: nothing new is taken from any source, and what is served stays. */
  readonly closed: boolean;
  /** Why these are not the settings of the file, or may be lost at the next start. */
  readonly problem?: Problem;
};

export type RegistrySettings = {
  /** A file as docker has it, for root alone. */
  readonly credentials: string | undefined;
  /** Ask the credential providers of the kubelet. */
  readonly providers: boolean;
};

/**
 * `kubelet`: this node's kubelet, with its kubeconfig. `serviceaccount`: a token bound to this Node, which bootstrap
 * writes. One never replaces the other automatically: the identity decides the permissions.
 */
export type ClusterSettings = {
  readonly identity: 'kubelet' | 'serviceaccount' | 'none';
  /** Of the kubelet; undefined: found by the running kubelet's command line. */
  readonly kubeconfig: string | undefined;
  /** runtime-class-manager's `<shim>=provisioned|pending|failed` labels beside our own. */
  readonly legacyLabels: boolean;
  /** Seconds. Without a controller, nodes spread the restarts of their runtimes over this time. */
  readonly spread: number;
};

export const defaultSettings: Settings = {
  interval: 60,
  sweep: 3600,
  allowUnpinned: false,
  allowedHosts: [],
  maxArtifactBytes: 1024 * 1024 * 1024,
  downloadTimeout: 900,
  idleTimeout: 30,
  attempts: 3,
  mirrors: [],
  signatures: [],
  proxy: {},
  extraCa: undefined,
  registries: { credentials: undefined, providers: true },
  unit: undefined,
  quiet: 30,
  // Longer than the RestartSec=5 of a runtime's unit; otherwise a crash loop could pass the proof.
  stable: 6,
  repairsPerHour: 3,
  restartsPerHour: 3,
  verifyExcept: [],
  takeover: false,
  logLevel: 'info',
  cluster: { identity: 'kubelet', kubeconfig: undefined, legacyLabels: false, spread: 300 },
  closed: false,
};

const unitName = /^[A-Za-z0-9:_.@-]{1,200}\.service$/;

/** The keys of the file: each setting by its name, except the unit, which is in the table of the runtime. */
const keys = Object.keys(defaultSettings)
  .filter((key) => key !== 'closed')
  .map((key) => (key === 'unit' ? 'runtime' : key));

export const parseSettings = (text: string, file: string): Settings => {
  const root = rootOf(parseToml(text, file, 'bad-settings'), file, text, 'bad-settings');
  table(root, keys);
  const number = (key: keyof Settings, least: number, most: number): number =>
    integer(at(root, key), least, most) ?? (defaultSettings[key] as number);
  const runtime = table(at(root, 'runtime'), ['unit']);
  const level = string(
    at(root, 'logLevel'),
    /^(debug|info|warn|error)$/,
    '"debug", "info", "warn" or "error" is expected',
  );
  const unit = runtime && string(at(runtime, 'unit'), unitName, 'the name of a .service unit is expected');
  return {
    interval: number('interval', 5, 86_400),
    sweep: number('sweep', 60, 604_800),
    allowUnpinned: boolean(at(root, 'allowUnpinned')) ?? false,
    allowedHosts: strings(at(root, 'allowedHosts'), /^[A-Za-z0-9.:[\]-]{1,253}$/, 'a host name is expected'),
    maxArtifactBytes: number('maxArtifactBytes', 1, 1024 ** 4),
    downloadTimeout: number('downloadTimeout', 1, 86_400),
    idleTimeout: number('idleTimeout', 1, 3_600),
    attempts: number('attempts', 1, 20),
    mirrors: elements(at(root, 'mirrors')).map(mirror),
    signatures: signaturePolicies(at(root, 'signatures')),
    proxy: proxy(at(root, 'proxy')),
    extraCa: string(at(root, 'extraCa'), /^\//, 'an absolute path is expected'),
    registries: registries(at(root, 'registries')),
    unit,
    quiet: number('quiet', 0, 600),
    stable: number('stable', 1, 40),
    repairsPerHour: number('repairsPerHour', 0, 1000),
    // With 0 the first change would wait for a pause that no restart had begun.
    restartsPerHour: number('restartsPerHour', 1, 60),
    verifyExcept: strings(
      at(root, 'verifyExcept'),
      /^(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$/,
      'the name of a handler is expected, or "*"',
    ),
    takeover: boolean(at(root, 'takeover')) ?? false,
    logLevel: (level as Settings['logLevel'] | undefined) ?? 'info',
    cluster: cluster(at(root, 'cluster')),
    closed: false,
  };
};

/** The unit of the runtime, from a text that may be invalid otherwise; no other setting is taken from it. */
export const unitIn = (text: string): string | undefined => {
  try {
    const { runtime } = parseToml(text, '', 'bad-settings');
    const unit = (runtime as { readonly unit?: unknown } | undefined)?.unit;
    return typeof unit === 'string' && unitName.test(unit) ? unit : undefined;
  } catch {
    return undefined;
  }
};

const cluster = (cursor: Cursor): ClusterSettings => {
  const row = table(cursor, ['identity', 'kubeconfig', 'legacyLabels', 'spread']);
  if (!row) return defaultSettings.cluster;
  const identity = string(
    at(row, 'identity'),
    /^(kubelet|serviceaccount|none)$/,
    '"kubelet", "serviceaccount" or "none" is expected',
  );
  return {
    identity: (identity as ClusterSettings['identity'] | undefined) ?? 'kubelet',
    kubeconfig: string(at(row, 'kubeconfig'), /^\//, 'an absolute path is expected'),
    legacyLabels: boolean(at(row, 'legacyLabels')) ?? false,
    spread: integer(at(row, 'spread'), 0, 86_400) ?? defaultSettings.cluster.spread,
  };
};

const registries = (cursor: Cursor): RegistrySettings => {
  const row = table(cursor, ['credentials', 'providers']);
  if (!row) return defaultSettings.registries;
  return {
    credentials: string(at(row, 'credentials'), /^\//, 'an absolute path is expected'),
    providers: boolean(at(row, 'providers')) ?? true,
  };
};

const address = (cursor: Cursor, schemes = ['https', 'http', 'file']): string => {
  const text = required(cursor, string(cursor));
  const scheme = /^([a-z]+):/.exec(text)?.[1] ?? '';
  if (!schemes.includes(scheme) || !URL.canParse(text))
    // Not the value: it may hold a password.
    fail(
      cursor,
      `"${printKey(cursor.path)}": a URL with ${schemes.map((one) => `${one}:`).join(', ')} is expected`,
    );
  return text;
};

/** A prefix may be the scheme alone: everything of it is in the mirror. */
const mirror = (cursor: Cursor): Mirror => {
  const row = required(cursor, table(cursor, ['prefix', 'replace']));
  const schemes = ['https', 'http', 'file', 'oci'];
  const [prefix, replace] = [at(row, 'prefix'), at(row, 'replace')];
  const isScheme = typeof prefix.value === 'string' && /^(https?|oci):\/\/$/.test(prefix.value);
  return {
    prefix: isScheme ? String(prefix.value) : address(prefix, schemes),
    replace: address(replace, schemes),
  };
};

const proxy = (cursor: Cursor): Settings['proxy'] => {
  const row = table(cursor, ['http', 'https', 'no']);
  if (!row) return {};
  const [http, https] = [at(row, 'http'), at(row, 'https')].map((one) =>
    one.value === undefined ? undefined : address(one),
  );
  const no = string(at(row, 'no'));
  return { ...(http ? { http } : {}), ...(https ? { https } : {}), ...(no ? { no } : {}) };
};
