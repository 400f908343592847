/**
 * What is inside an artifact, as CycloneDX (https://cyclonedx.org/docs/1.6/json/): the npm packages that the bundle takes
 * files from, with the digests of package-lock.json; Node; and the libraries out of Debian's packages.
 */
import { createHash } from 'node:crypto';

export type Locked = {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly version?: string;
        readonly integrity?: string;
        readonly license?: string | readonly string[];
      }
    >
  >;
};

export type Library = { readonly name: string; readonly version: string; readonly sha256: string };

export type Inside = {
  readonly lock: Locked;
  /** Files of the bundle, from the root of the project. */
  readonly inputs: readonly string[];
  readonly node: {
    readonly version: string;
    readonly platforms: readonly { readonly name: string; readonly integrity: string }[];
  };
  /** By architecture as Debian calls it. */
  readonly libraries: Readonly<Record<string, readonly Library[]>>;
};

export type Artifact = { readonly name: string; readonly version: string; readonly sha256: string };

type Component = { readonly 'bom-ref': string } & Readonly<Record<string, unknown>>;

const folderOfPackage = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/;

/** npm's "sha512-<base64>". */
const hashOf = (integrity: string): object => {
  const [algorithm = '', encoded = ''] = integrity.split('-');
  const alg = { sha512: 'SHA-512', sha256: 'SHA-256', sha1: 'SHA-1' }[algorithm];
  if (alg === undefined) throw new Error(`package-lock.json has a digest of another kind: ${integrity}`);
  return { alg, content: Buffer.from(encoded, 'base64').toString('hex') };
};

const npmAddress = (name: string, version: string): string =>
  `pkg:npm/${name.replace('@', '%40')}@${version}`;

/** An expression of SPDX where npm has one; old packages have other texts, and lists. What states none has its text in THIRD-PARTY-LICENSES. */
const licensesOf = (license: string | readonly string[] | undefined): object => {
  if (license === undefined) return {};
  if (typeof license === 'string' && /^[A-Za-z0-9.+() -]+$/.test(license))
    return { licenses: [{ expression: license }] };
  return { licenses: [license].flat().map((name) => ({ license: { name } })) };
};

const npmComponent = (folder: string, lock: Locked): Component => {
  const found = lock.packages[folder];
  if (found?.version === undefined || found.integrity === undefined)
    throw new Error(`package-lock.json has no version and digest of ${folder}, which is in the bundle`);
  const name = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const purl = npmAddress(name, found.version);
  return {
    'bom-ref': purl,
    type: 'library',
    name,
    version: found.version,
    purl,
    hashes: [hashOf(found.integrity)],
    ...licensesOf(found.license),
  };
};

const nodeComponent = (
  version: string,
  { name, integrity }: { readonly name: string; readonly integrity: string },
): Component => ({
  'bom-ref': npmAddress(name, version),
  type: 'platform',
  name,
  version,
  purl: npmAddress(name, version),
  hashes: [hashOf(integrity)],
  licenses: [{ expression: 'MIT' }],
});

const debComponent = (architecture: string, { name, version, sha256 }: Library): Component => {
  const purl = `pkg:deb/debian/${name.replaceAll('+', '%2B')}@${version.replaceAll('+', '%2B')}?arch=${architecture}&distro=debian-12`;
  const hashes = [{ alg: 'SHA-256', content: sha256 }];
  return { 'bom-ref': purl, type: 'library', name, version, purl, hashes };
};

/** A UUID out of the artifact's digest: a random one would make each build another. Version 8 of RFC 9562. */
const uuidOf = (sha256: string): string => {
  const hex = createHash('sha256').update(`sbom ${sha256}`).digest('hex').slice(0, 32);
  const own = `${hex.slice(0, 12)}8${hex.slice(13, 16)}8${hex.slice(17)}`;
  return own.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};

export const sbomOf = (artifact: Artifact, inside: Inside, time: number): object => {
  const folders = new Set(inside.inputs.map((path) => folderOfPackage.exec(path)?.[0] ?? '').values());
  const components = [
    ...[...folders].filter((one) => one !== '').map((folder) => npmComponent(folder, inside.lock)),
    ...inside.node.platforms.map((one) => nodeComponent(inside.node.version, one)),
    ...Object.entries(inside.libraries).flatMap(([architecture, libraries]) =>
      libraries.map((one) => debComponent(architecture, one)),
    ),
  ].sort((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1));
  const ref = `rcm-node@${artifact.version}`;
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(artifact.sha256)}`,
    version: 1,
    metadata: {
      timestamp: new Date(time * 1000).toISOString(),
      component: {
        'bom-ref': ref,
        type: 'application',
        name: 'rcm-node',
        version: artifact.version,
        description: artifact.name,
        hashes: [{ alg: 'SHA-256', content: artifact.sha256 }],
        licenses: [{ expression: 'Apache-2.0' }],
      },
    },
    components,
    dependencies: [{ ref, dependsOn: components.map((one) => one['bom-ref']) }],
  };
};
