/** Where a shim's bytes come from: which of the locations is for this node, and whether the node allows it. */
import type { Artifact } from '../model/desired.ts';
import type { Machine } from '../../host/facts.ts';
import { at, type Cursor, elements, fail, printKey, required, string, table } from '../toml/cursor.ts';
import { printUrl } from '../../protocol/problem/mask.ts';
import type { Signer } from '../model/signatures.ts';
import { signedBy } from './signed.ts';

/** What the node itself allows, whatever a shim asks for. */
export type Policy = {
  readonly machine: Machine;
  /** Accept shims without a digest, and trust the first bytes that come. */
  readonly allowUnpinned: boolean;
  /** Hosts that artifacts may come from; empty is any. `file:` locations are always allowed to local files. */
  readonly allowedHosts: readonly string[];
  /** Who must have signed what; absent where a policy does not matter. */
  readonly signers?: readonly Signer[];
};

/** runtime-class-manager takes an empty one for none, and so do the manifests that were written for it. */
const digest = /^((sha256:)?[0-9a-f]{64})?$/i;
const digestSays = 'a sha256 has 64 hexadecimal digits';

const machines: ReadonlyMap<string, Machine> = new Map([
  ['amd64', 'amd64'],
  ['x86_64', 'amd64'],
  ['arm64', 'arm64'],
  ['aarch64', 'arm64'],
]);

/** An entry for a system that is not built for here (riscv64, s390x, windows) is for others, and no mistake. */
const platformName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;
const platformSays = 'the name of an operating system or an architecture is expected, like linux or amd64';

export const artifact = (strategyAt: Cursor, policy: Policy): Artifact => {
  const strategy = required(strategyAt, table(strategyAt, ['type', 'anonHttp', 'platforms']));
  string(at(strategy, 'type'));
  const platformKeys = ['os', 'arch', 'location', 'sha256'];
  const platforms = elements(at(strategy, 'platforms')).map((cursor) => {
    const row = required(cursor, table(cursor, platformKeys));
    const arch = required(at(row, 'arch'), string(at(row, 'arch'), platformName, platformSays));
    const os = required(at(row, 'os'), string(at(row, 'os'), platformName, platformSays));
    return { row, os, arch };
  });
  const anonymous = table(at(strategy, 'anonHttp'), ['location', 'sha256']);
  if (platforms.length === 0) {
    if (anonymous) return pinned(anonymous, policy);
    return fail(
      strategy,
      `"${printKey(strategy.path)}" has neither "platforms" nor "anonHttp"`,
      'no-platform',
    );
  }
  for (const one of platforms) location(at(one.row, 'location'), policy);
  // Of two that fit, as amd64 and x86_64 do, the first counts: so it is with runtime-class-manager.
  const match = platforms.find(({ os, arch }) => os === 'linux' && machines.get(arch) === policy.machine);
  if (match) return pinned(match.row, policy);
  const list = at(strategy, 'platforms');
  // A misspelt architecture is not told from one that exists elsewhere: what stands there shows which it is.
  const given = [...new Set(platforms.map(({ os, arch }) => `${os}/${arch}`))].slice(0, 8).join(', ');
  return fail(
    list,
    `no entry of "${printKey(list.path)}" is for linux/${policy.machine}, only for ${given}`,
    'no-platform',
  );
};

/** Of a strategy that `artifact` takes: the entry that it took. */
export const artifactAt = (strategy: Cursor, machine: Machine): Cursor =>
  elements(at(strategy, 'platforms')).find(
    (row) => at(row, 'os').value === 'linux' && machines.get(String(at(row, 'arch').value)) === machine,
  ) ?? at(strategy, 'anonHttp');

const pinned = (cursor: Cursor, policy: Policy): Artifact => {
  const url = location(at(cursor, 'location'), policy);
  const sum = string(at(cursor, 'sha256'), digest, digestSays);
  const signed = signedBy(at(cursor, 'location'), url, policy.signers ?? []);
  if (sum) return { url, sha256: sum.replace(/^sha256:/i, '').toLowerCase(), ...signed };
  if (url.startsWith('http:'))
    fail(
      cursor,
      `no sha256 is given for ${printUrl(url)}, and http proves nothing about the sender`,
      'unpinned',
      `Add the sha256 of the file: curl -fsSL ${printUrl(url)} | sha256sum. Without one, http is refused whatever the settings allow.`,
    );
  if (!policy.allowUnpinned)
    fail(
      cursor,
      `no sha256 is given for ${printUrl(url)}`,
      'unpinned',
      url.startsWith('file:')
        ? `Add the sha256 of the file: sha256sum ${new URL(url).pathname}. To trust the first bytes that come, set allowUnpinned = true in /etc/rcm-node/config.toml.`
        : `Add the sha256 of the file: curl -fsSL ${printUrl(url)} | sha256sum. To trust the first bytes that come, set allowUnpinned = true in /etc/rcm-node/config.toml.`,
    );
  return { url, ...signed };
};

/** `example.com` is that host at any port, `example.com:8443` at this one; no list allows any. */
export const allowsHost = ({ hostname, host }: URL, allowedHosts: readonly string[]): boolean => {
  const allowed = allowedHosts.map((one) => one.toLowerCase());
  return allowed.length === 0 || allowed.includes(hostname) || allowed.includes(host);
};

const location = (cursor: Cursor, policy: Policy): string => {
  const url = required(cursor, string(cursor));
  // URL passes over blanks and line breaks that others would take for a part of the scheme.
  if (!URL.canParse(url) || !/^[a-z][a-z0-9+.-]*:/i.test(url)) fail(cursor, 'location is no absolute URL');
  const { protocol, hostname, pathname } = new URL(url);
  if (!['https:', 'http:', 'file:'].includes(protocol))
    fail(cursor, `location has the scheme "${protocol}"; https:, http: and file: are known`);
  if (protocol === 'file:' && hostname !== '')
    fail(cursor, 'a file: location names no host; write file:///path');
  if (protocol === 'file:' && !isFilePath(pathname))
    fail(
      cursor,
      'location is no path of a file: "%" has to be written %25, and %2F and %00 cannot stand in it',
    );
  // What lies on the disk may come from anywhere, out of a Pod for instance: here only the node's own files may name it.
  if (protocol === 'file:' && cursor.text === undefined && policy.allowedHosts.length > 0)
    fail(
      cursor,
      'a file: location of a resource is not allowed on this node (allowedHosts)',
      'policy-denied',
    );
  if (protocol !== 'file:' && !allowsHost(new URL(url), policy.allowedHosts))
    fail(
      cursor,
      `artifacts from the host "${hostname}" are not allowed on this node (allowedHosts)`,
      'policy-denied',
    );
  // From here on the scheme is compared as text.
  return protocol + url.slice(protocol.length);
};

const isFilePath = (pathname: string): boolean => {
  try {
    return decodeURIComponent(pathname) !== '' && !/%(2f|00)/i.test(pathname);
  } catch {
    return false;
  }
};
