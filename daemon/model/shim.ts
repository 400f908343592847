/**
 * One file of shims.d: TOML in, a `Handler` or a Problem with file, line and column out. The field names are those
 * of the `Shim` resource of runtime.spinkube.dev/v1alpha1; `runtime`, `podAnnotations` and `containerAnnotations`
 * are ours.
 */
import type { Artifact, Handler, Machine, RuntimeKind } from './desired.ts';
import { at, type Cursor, elements, fail, required, string, strings, table } from './shape.ts';
import { options } from './shim-options.ts';
import { parseToml } from './toml.ts';

/** What the node itself allows, whatever a shim asks for. */
export type Policy = {
  readonly machine: Machine;
  /** Accept shims without a digest, and trust the first bytes that come. */
  readonly allowUnpinned: boolean;
  /** Hosts that artifacts may come from; empty is any. `file:` locations are always allowed to local files. */
  readonly allowedHosts: readonly string[];
};

// A handler becomes RuntimeClass.handler, which Kubernetes requires to be a DNS label:
// https://kubernetes.io/docs/reference/kubernetes-api/node-resources/runtime-class-v1/
const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const labelSays =
  'a handler name has at most 63 lower-case letters, digits and "-", and begins and ends with a letter or digit';
const fileName = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/;
const fileNameSays = 'a file name without folders is expected (letters, digits, ".", "_", "+", "-")';
const digest = /^(sha256:)?[0-9a-f]{64}$/i;
const digestSays = 'a sha256 has 64 hexadecimal digits';
// containerd matches these with path.Match against the annotations' keys.
const annotation = /^[A-Za-z0-9_./*?[\]-]{1,253}$/;
const annotationSays = 'an annotation key or a pattern of one is expected';

/** Names that belong to the runtime itself or to installers that we would fight with. */
const reserved = [
  /^(runc|crun|youki|runsc|default|untrusted)$/,
  /^(kata|nvidia)(-|$)/,
  // The one label that every JavaScript object answers to, whether or not it holds a handler of this name.
  /^constructor$/,
];

const machines: ReadonlyMap<string, Machine> = new Map([
  ['amd64', 'amd64'],
  ['x86_64', 'amd64'],
  ['arm64', 'arm64'],
  ['aarch64', 'arm64'],
]);

const topKeys = [
  'name',
  'nodeSelector',
  'fetchStrategy',
  'containerdRuntimeOptions',
  'runtimeClass',
  'rolloutStrategy',
  'runtime',
  'podAnnotations',
  'containerAnnotations',
];

/** Throws a Failure for the first thing that is wrong. */
export const parseShim = (text: string, file: string, policy: Policy): Handler => {
  const root: Cursor = { file, text, path: [], value: parseToml(text, file), code: 'bad-value' };
  table(root, topKeys);
  const name = at(root, 'name');
  const shim = required(name, string(name, fileName, fileNameSays));
  return {
    name: handlerName(root, shim),
    shim,
    artifact: artifact(root, policy),
    runtime: runtimeKind(at(root, 'runtime')),
    options: options(at(root, 'containerdRuntimeOptions')),
    podAnnotations: strings(at(root, 'podAnnotations'), annotation, annotationSays),
    containerAnnotations: strings(at(root, 'containerAnnotations'), annotation, annotationSays),
    where: { file, line: 1 },
  };
};

const handlerName = (root: Cursor, shim: string): string => {
  const runtimeClass = table(at(root, 'runtimeClass'), ['name', 'handler']);
  if (runtimeClass) string(at(runtimeClass, 'name'));
  const given = runtimeClass ? at(runtimeClass, 'handler') : undefined;
  const cursor = given?.value === undefined ? at(root, 'name') : given;
  const handler = given?.value === undefined ? shim : required(given, string(given));
  if (!label.test(handler))
    fail(cursor, `the handler name ${JSON.stringify(handler.slice(0, 120))} is not valid: ${labelSays}`);
  if (reserved.some((pattern) => pattern.test(handler)))
    fail(cursor, `the handler name "${handler}" is reserved`, 'reserved-handler');
  return handler;
};

const artifact = (root: Cursor, policy: Policy): Artifact => {
  const strategyAt = at(root, 'fetchStrategy');
  const strategy = required(strategyAt, table(strategyAt, ['type', 'anonHttp', 'platforms']));
  string(at(strategy, 'type'));
  const platformKeys = ['os', 'arch', 'location', 'sha256'];
  const platforms = elements(at(strategy, 'platforms')).map((cursor) => {
    const row = required(cursor, table(cursor, platformKeys));
    const arch = required(at(row, 'arch'), string(at(row, 'arch')));
    const machine = machines.get(arch);
    if (machine === undefined)
      fail(
        at(row, 'arch'),
        `${JSON.stringify(arch.slice(0, 40))} is no known architecture; write amd64, arm64, x86_64 or aarch64`,
      );
    return { row, os: required(at(row, 'os'), string(at(row, 'os'))), machine };
  });
  const anonymous = table(at(strategy, 'anonHttp'), ['location', 'sha256']);
  if (platforms.length === 0) {
    if (anonymous) return pinned(anonymous, policy);
    return fail(strategy, 'fetchStrategy has neither "platforms" nor "anonHttp"', 'no-platform');
  }
  for (const one of platforms) location(at(one.row, 'location'), policy);
  const match = platforms.find((one) => one.os === 'linux' && one.machine === policy.machine);
  if (match) return pinned(match.row, policy);
  return fail(
    at(strategy, 'platforms'),
    `no entry of fetchStrategy.platforms is for linux/${policy.machine}`,
    'no-platform',
  );
};

const pinned = (cursor: Cursor, policy: Policy): Artifact => {
  const url = location(at(cursor, 'location'), policy);
  const sum = string(at(cursor, 'sha256'), digest, digestSays);
  if (sum !== undefined) return { url, sha256: sum.replace(/^sha256:/i, '').toLowerCase() };
  if (!policy.allowUnpinned) fail(cursor, `no sha256 is given for ${printUrl(url)}`, 'unpinned');
  if (url.startsWith('http:'))
    fail(
      cursor,
      `no sha256 is given for ${printUrl(url)}, and http proves nothing about the sender`,
      'unpinned',
      'Add the sha256, or use https.',
    );
  return { url };
};

/** Without user, password, query and fragment: those may hold secrets, and URLs end in logs. */
export const printUrl = (url: string): string => {
  if (!URL.canParse(url)) return '(no valid URL)';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
};

const location = (cursor: Cursor, policy: Policy): string => {
  const url = required(cursor, string(cursor));
  if (!URL.canParse(url)) fail(cursor, 'location is no absolute URL');
  const { protocol, hostname, host, pathname } = new URL(url);
  if (!['https:', 'http:', 'file:'].includes(protocol))
    fail(cursor, `location has the scheme "${protocol}"; https:, http: and file: are known`);
  if (protocol === 'file:' && hostname !== '')
    fail(cursor, 'a file: location names no host; write file:///path');
  if (protocol === 'file:' && !isFilePath(pathname))
    fail(
      cursor,
      'location is no path of a file: "%" has to be written %25, and %2F and %00 cannot stand in it',
    );
  const allowed = policy.allowedHosts.map((one) => one.toLowerCase());
  if (protocol !== 'file:' && allowed.length > 0 && !allowed.includes(hostname) && !allowed.includes(host))
    fail(
      cursor,
      `artifacts from the host "${hostname}" are not allowed on this node (allowedHosts)`,
      'policy-denied',
    );
  return url;
};

const isFilePath = (pathname: string): boolean => {
  try {
    return decodeURIComponent(pathname) !== '' && !/%(2f|00)/i.test(pathname);
  } catch {
    return false;
  }
};

const runtimeKind = (cursor: Cursor): RuntimeKind => {
  const runtime = table(cursor, ['type', 'binary', 'libraries']);
  if (!runtime) return { type: 'shim' };
  const type = required(
    at(runtime, 'type'),
    string(at(runtime, 'type'), /^(shim|oci)$/, '"shim" or "oci" is expected'),
  );
  const binary = string(at(runtime, 'binary'), fileName, fileNameSays);
  const libraries = strings(at(runtime, 'libraries'), fileName, fileNameSays);
  if (type === 'shim') {
    if (binary !== undefined || libraries.length > 0)
      fail(runtime, '"runtime.binary" and "runtime.libraries" go with runtime.type = "oci" only');
    return { type: 'shim' };
  }
  const named = required(at(runtime, 'binary'), binary);
  // Names of our own in a folder of the store.
  if ([named, ...libraries].some((name) => ['manifest.json', 'lib', 'launch'].includes(name)))
    fail(runtime, 'a file of the artifact cannot be called manifest.json, lib or launch');
  if (new Set([named, ...libraries]).size !== libraries.length + 1)
    fail(at(runtime, 'libraries'), '"runtime.libraries" names a file twice');
  return { type: 'oci', binary: named, libraries };
};
