/** Where a shim's bytes come from: which of the locations is for this node, and whether the node allows it. */
import type { Artifact } from '../model/desired.ts';
import type { Machine } from '../../host/facts.ts';
import { ociScheme, parseReference, printReference } from '../../host/registry/reference.ts';
import { at, type Cursor, elements, fail, printKey, required, string, table } from '../toml/cursor.ts';
import { location, type Policy, reference } from './location.ts';
import { printUrl } from '../../protocol/problem/mask.ts';
import { signedBy } from './signed.ts';

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
  const strategy = required(strategyAt, table(strategyAt, ['type', 'anonHttp', 'platforms', 'oci']));
  string(at(strategy, 'type'));
  const platformKeys = ['os', 'arch', 'location', 'sha256'];
  const platforms = elements(at(strategy, 'platforms')).map((cursor) => {
    const row = required(cursor, table(cursor, platformKeys));
    const arch = required(at(row, 'arch'), string(at(row, 'arch'), platformName, platformSays));
    const os = required(at(row, 'os'), string(at(row, 'os'), platformName, platformSays));
    return { row, os, arch };
  });
  const anonymous = table(at(strategy, 'anonHttp'), ['location', 'sha256']);
  const oci = table(at(strategy, 'oci'), ['image', 'path']);
  if (oci && (platforms.length > 0 || anonymous))
    fail(oci, `"${printKey(oci.path)}" goes with neither "platforms" nor "anonHttp": give one of the three`);
  if (oci) return ofImage(oci, policy);
  if (platforms.length === 0) {
    if (anonymous) return pinned(anonymous, policy);
    return fail(
      strategy,
      `"${printKey(strategy.path)}" has none of "platforms", "oci" and "anonHttp"`,
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
  ) ?? at(strategy, at(strategy, 'oci').value === undefined ? 'anonHttp' : 'oci');

const imagePath = /^(?:\/(?!\.{1,2}(?:\/|$))[^/\0]+)+$/;
const pathSays =
  'the absolute path of a file in the image is expected, without ".", ".." and a "/" at its end';

const ofImage = (oci: Cursor, policy: Policy): Artifact => {
  const image = at(oci, 'image');
  const text = required(image, string(image));
  const url = printReference(reference(image, text.startsWith('oci://') ? text : `oci://${text}`, policy));
  const path = string(at(oci, 'path'), imagePath, pathSays);
  return { ...ofReference(image, url, policy), ...(path === undefined ? {} : { path }) };
};

/** The digest of what is in a registry stands in its name. */
const ofReference = (cursor: Cursor, url: string, policy: Policy): Artifact => {
  const found = parseReference(url);
  const sha256 = 'wrong' in found ? undefined : found.digest;
  if (sha256 === undefined && !policy.allowUnpinned) {
    const name = url.slice('oci://'.length);
    fail(
      cursor,
      `no digest is given in ${url}, and a tag may be moved`,
      'unpinned',
      `Add the digest: ${name}@sha256:…, as skopeo inspect --format '{{.Digest}}' docker://${name} or oras resolve ${name} prints it. To trust what the tag names first, set allowUnpinned = true in /etc/rcm-node/config.toml.`,
    );
  }
  return {
    url,
    ...(sha256 === undefined ? {} : { sha256 }),
    ...signedBy(cursor, url, policy.signers ?? []),
  };
};

const pinned = (cursor: Cursor, policy: Policy): Artifact => {
  const url = location(at(cursor, 'location'), policy);
  const sum = string(at(cursor, 'sha256'), digest, digestSays)
    ?.replace(/^sha256:/i, '')
    .toLowerCase();
  if (url.startsWith(ociScheme))
    return { ...ofReference(at(cursor, 'location'), url, policy), ...(sum ? { fileSha256: sum } : {}) };
  const signed = signedBy(at(cursor, 'location'), url, policy.signers ?? []);
  if (sum) return { url, sha256: sum, ...signed };
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
