/** One location: which are known, and whether the node allows it. */
import type { Machine } from '../../host/facts.ts';
import { ociScheme, parseReference, printReference, type Reference } from '../../host/registry/reference.ts';
import type { Signer } from '../model/signatures.ts';
import { type Cursor, fail, printKey, required, string } from '../toml/cursor.ts';

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

/** `example.com` is that host at any port, `example.com:8443` at this one; no list allows any. */
export const allowsHost = ({ hostname, host }: URL, allowedHosts: readonly string[]): boolean => {
  const allowed = allowedHosts.map((one) => one.toLowerCase());
  return allowed.length === 0 || allowed.includes(hostname) || allowed.includes(host);
};

export const location = (cursor: Cursor, policy: Policy): string => {
  const url = required(cursor, string(cursor));
  // URL passes over blanks and line breaks that others would take for a part of the scheme.
  if (!URL.canParse(url) || !/^[a-z][a-z0-9+.-]*:/i.test(url)) fail(cursor, 'location is no absolute URL');
  const { protocol, hostname, pathname } = new URL(url);
  if (!['https:', 'http:', 'file:', ociScheme].includes(protocol))
    fail(cursor, `location has the scheme "${protocol}"; https:, http:, file: and oci: are known`);
  if (protocol === ociScheme)
    return printReference(reference(cursor, protocol + url.slice(protocol.length), policy));
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
  if (protocol !== 'file:') mustAllow(cursor, new URL(url), policy);
  // From here on the scheme is compared as text.
  return protocol + url.slice(protocol.length);
};

const mustAllow = (cursor: Cursor, url: URL, { allowedHosts }: Policy): void => {
  if (!allowsHost(url, allowedHosts))
    fail(
      cursor,
      `artifacts from the host "${url.hostname}" are not allowed on this node (allowedHosts)`,
      'policy-denied',
    );
};

/** `text`: an `oci:` address; what is wrong with it is told at `cursor`. */
export const reference = (cursor: Cursor, text: string, policy: Policy): Reference => {
  const found = parseReference(text);
  if ('wrong' in found)
    return fail(
      cursor,
      `"${printKey(cursor.path)}" is no reference to an image or artifact: ${found.wrong}`,
      cursor.code,
      'Write it in full: registry.example.com/team/shim:v1@sha256:DIGEST, after oci:// in a location.',
    );
  mustAllow(cursor, new URL(`https://${found.host}`), policy);
  return found;
};

const isFilePath = (pathname: string): boolean => {
  try {
    return decodeURIComponent(pathname) !== '' && !/%(2f|00)/i.test(pathname);
  } catch {
    return false;
  }
};
