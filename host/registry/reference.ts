/**
 * What an `oci:` location names: `oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]`, as a value.
 * Grammar: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
 */

export type Reference = {
  /** With its port, if that is not 443: one name for each server, by which credentials, mirrors and policies are found. */
  readonly host: string;
  readonly repository: string;
  readonly tag?: string;
  /** 64 lower-case hex digits: of a manifest, or of an index. */
  readonly digest?: string;
};

export const ociScheme = 'oci:';

/** A word without a dot and a port would be a part of the name for other tools, which put a registry of their own before it. */
const isFull = (server: string): boolean => /[.:]/.test(server) || server === 'localhost';

/**
 * As it is asked. A port above 65535, or a last part in digits without being an address: no URL can be made of it, which the expression
 * does not tell.
 */
const asked = (server: string): string | undefined => {
  const address = `https://${server}`;
  if (!host.test(server) || server.length > 253 || !URL.canParse(address)) return undefined;
  const found = new URL(address).host;
  return isFull(server) && !isFull(found) ? `${found}:443` : found;
};

const host =
  /^(?:(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/;
const repository = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagged = /^(?<name>[^:@]+)(?::(?<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?$/;

/** Why it is none is said without quoting it: what is wrong in an address may be a password. */
export const parseReference = (location: string): Reference | { readonly wrong: string } => {
  if (!location.startsWith('oci://')) return { wrong: 'it does not begin with oci://' };
  const [before = '', digest, ...more] = location.slice('oci://'.length).split('@');
  const slash = before.indexOf('/');
  const name = slash === -1 ? '' : before.slice(slash + 1);
  const path = tagged.exec(name)?.groups;
  const server = asked(before.slice(0, Math.max(slash, 0)).toLowerCase());
  if (more.length > 0 || digest?.includes('/')) return { wrong: 'credentials cannot stand in it' };
  if (server === undefined) return { wrong: 'after oci:// comes the host of the registry' };
  if (!isFull(server))
    return { wrong: 'after oci:// comes the host of the registry in full, like registry.example.com' };
  if (path?.name === undefined || path.name.length > 255 || !repository.test(path.name))
    return { wrong: 'the name of the repository has lower-case letters, digits, ".", "_", "-" and "/"' };
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest))
    return { wrong: 'after "@" comes sha256: and 64 hexadecimal digits' };
  return {
    host: server,
    repository: path.name,
    ...(path.tag === undefined ? {} : { tag: path.tag }),
    ...(digest === undefined ? {} : { digest: digest.slice('sha256:'.length) }),
  };
};

export const printReference = ({ host: server, repository: name, tag, digest }: Reference): string =>
  `oci://${server}/${name}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@sha256:${digest}`}`;
