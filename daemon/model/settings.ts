/**
 * /etc/rcm-node/config.toml: settings, and the node's own policy, which no cluster may widen. Text in, complete
 * `Settings` out, or a Failure with file, line and column.
 */
import { oncePerText } from '../toml/once-per-text.ts';
import { type Cursor, fail, printKey, required, rootOf, string } from '../toml/cursor.ts';
import {
  anyString,
  booleanField,
  type Field,
  integerField,
  listField,
  oneOf,
  stringField,
  tableField,
} from '../toml/field.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import { parseToml } from '../toml/toml.ts';
import type { Prepared } from './desired.ts';
import { prepareField } from './prepared.ts';
import { type SignaturePolicy, signatureField } from './signatures.ts';

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
  /** Handlers to put into the configuration before a shim asks for them. */
  readonly prepare: readonly Prepared[];
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
  prepare: [],
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

const path = stringField(/^\//, 'an absolute path is expected');

const address = (schemes = ['https', 'http', 'file']): Field<string> => ({
  read: (cursor) => (cursor.value === undefined ? undefined : urlAt(cursor, schemes)),
  schema: { type: 'string', pattern: `^(${schemes.join('|')}):` },
});

const urlAt = (cursor: Cursor, schemes: readonly string[]): string => {
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

const mirrorAddress = address(['https', 'http', 'file', 'oci']);

/** It may be the scheme alone: everything of it is in the mirror. */
const prefix: Field<string> = {
  read: (cursor) =>
    typeof cursor.value === 'string' && /^(https?|oci):\/\/$/.test(cursor.value)
      ? cursor.value
      : mirrorAddress.read(cursor),
  schema: mirrorAddress.schema,
};

/** The keys of the file: each setting by its name, except those of the runtime, which are in its table. */
export const settingsFile = tableField({
  interval: integerField(5, 86_400),
  sweep: integerField(60, 604_800),
  allowUnpinned: booleanField,
  allowedHosts: listField(stringField(/^[A-Za-z0-9.:[\]-]{1,253}$/, 'a host name is expected')),
  maxArtifactBytes: integerField(1, 1024 ** 4),
  downloadTimeout: integerField(1, 86_400),
  idleTimeout: integerField(1, 3_600),
  attempts: integerField(1, 20),
  mirrors: listField(tableField({ prefix, replace: mirrorAddress }, ['prefix', 'replace'])),
  signatures: signatureField,
  proxy: tableField({ http: address(), https: address(), no: anyString }),
  extraCa: path,
  registries: tableField({ credentials: path, providers: booleanField }),
  runtime: tableField({
    unit: stringField(unitName, 'the name of a .service unit is expected'),
    prepare: prepareField,
  }),
  quiet: integerField(0, 600),
  stable: integerField(1, 40),
  repairsPerHour: integerField(0, 1000),
  // With 0 the first change would wait for a pause that no restart had begun.
  restartsPerHour: integerField(1, 60),
  verifyExcept: listField(
    stringField(/^(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$/, 'the name of a handler is expected, or "*"'),
  ),
  takeover: booleanField,
  logLevel: oneOf(['debug', 'info', 'warn', 'error']),
  cluster: tableField({
    identity: oneOf(['kubelet', 'serviceaccount', 'none']),
    kubeconfig: path,
    legacyLabels: booleanField,
    spread: integerField(0, 86_400),
  }),
});

/** What the file gives, and the default of what it does not. */
const over = <T extends object>(defaults: T, given: object | undefined): T => ({
  ...defaults,
  ...Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => value !== undefined)),
});

const settingsIn = oncePerText<Settings>();

export const parseSettings = (text: string, file: string): Settings =>
  settingsIn(`${file}\n${text}`, () => read(text, file));

const read = (text: string, file: string): Settings => {
  const root = rootOf(parseToml(text, file, 'bad-settings'), file, text, 'bad-settings');
  const { runtime, registries, cluster, proxy, ...given } = required(root, settingsFile.read(root));
  const { http, https, no } = proxy ?? {};
  return {
    ...over(defaultSettings, given),
    proxy: { ...(http ? { http } : {}), ...(https ? { https } : {}), ...(no ? { no } : {}) },
    registries: over(defaultSettings.registries, registries),
    cluster: over(defaultSettings.cluster, cluster),
    unit: runtime?.unit,
    prepare: runtime?.prepare ?? [],
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
