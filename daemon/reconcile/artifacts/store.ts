/**
 * The store: one folder for each verified artifact, never modified. Each has a manifest, so that folders are recognized when the
 * state is lost, and damaged files are detected.
 */
import { oncePerText } from '../../toml/once-per-text.ts';
import { paths } from '../../../protocol/host-paths.ts';
import type { Host } from '../../../host/host.ts';
import type { StoreFact } from '../../decide/observed.ts';
import { isFields, parseJson } from '../../../protocol/json.ts';
import type { SignatureProof } from '../../model/signatures.ts';
import { untilChanged } from '../until-changed.ts';

export type Manifest = {
  readonly version: 1;
  /** Without userinfo and query. */
  readonly url: string;
  /** Of the artifact as it was downloaded. */
  readonly sha256: string;
  /** The target of a link to this folder, relative to it. */
  readonly binary: string;
  /** Relative path to digest and size. */
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly bytes: number }>>;
  /** It was placed into another root without a test run: the first start there runs it. */
  readonly untried?: true;
  /** Of the signatures of the artifact: each is of the policy that it names. */
  readonly proofs?: readonly SignatureProof[];
};

export const manifestName = 'manifest.json';

/** The names that placing creates (artifacts.ts): any other name could lead out of the folder. */
const isName = /^((lib|launch)\/)?[A-Za-z0-9][A-Za-z0-9._+-]*$/;

const isProof = (value: unknown): boolean =>
  isFields(value) &&
  typeof value.policy === 'string' &&
  typeof value.signer === 'string' &&
  typeof value.log === 'boolean' &&
  typeof value.timestamp === 'boolean';

const isEntry = (value: unknown): boolean =>
  isFields(value) && typeof value.sha256 === 'string' && typeof value.bytes === 'number';

const manifestIn = oncePerText<Manifest | undefined>();

/** `undefined` for an invalid manifest; one without its own binary is invalid. */
export const parseManifest = (text: string): Manifest | undefined => manifestIn(text, () => read(text));

const read = (text: string): Manifest | undefined => {
  const value = parseJson(text);
  if (!isFields(value) || value.version !== 1) return undefined;
  const { binary, files, sha256, url } = value;
  if (typeof binary !== 'string' || typeof sha256 !== 'string' || typeof url !== 'string') return undefined;
  if (!isFields(files) || !Object.hasOwn(files, binary) || !Object.values(files).every(isEntry))
    return undefined;
  if (!Object.keys(files).every((name) => isName.test(name))) return undefined;
  const { proofs } = value;
  if (proofs !== undefined && !(Array.isArray(proofs) && proofs.every(isProof))) return undefined;
  return value as Manifest;
};

export const observeStore = async (
  host: Host,
  deep: boolean,
): Promise<Readonly<Record<string, StoreFact>>> => {
  const facts: Record<string, StoreFact> = {};
  for (const key of (await host.files.names(paths.store)) ?? [])
    if (/^[0-9a-f]{64}$/.test(key)) facts[key] = await inspect(host, key, deep);
  return facts;
};

const manifestAt = untilChanged<Manifest>();

/** Only this program writes there. `afresh`: from the disk, also where it seems to be unchanged. `undefined`: missing or invalid. */
export const readManifest = async (
  host: Host,
  key: string,
  afresh = false,
): Promise<Manifest | undefined> => {
  const path = `${paths.store}/${key}/${manifestName}`;
  const read = async (): Promise<Manifest | undefined> => {
    const fact = await host.files.look(path);
    return fact.kind === 'regular' ? parseManifest(fact.text) : undefined;
  };
  return manifestAt(host, path, await host.files.stat(path), read, afresh);
};

export const writeManifest = (host: Host, folder: string, manifest: Manifest): Promise<void> =>
  host.files.put(`${folder}/${manifestName}`, `${JSON.stringify(manifest, null, 1)}\n`, 0o644);

/** What else was proven of an artifact that is in the store. */
export const addProof = async (host: Host, key: string, proof: SignatureProof): Promise<void> => {
  const manifest = await readManifest(host, key);
  if (!manifest) return;
  const others = (manifest.proofs ?? []).filter(({ policy }) => policy !== proof.policy);
  await writeManifest(host, `${paths.store}/${key}`, {
    ...manifest,
    proofs: [...others, proof].slice(-mostProofs),
  });
};

/** Of policies that were in force one after the other. */
const mostProofs = 16;

export const inspect = async (host: Host, key: string, deep: boolean): Promise<StoreFact> => {
  const folder = `${paths.store}/${key}`;
  const manifest = await readManifest(host, key, deep);
  if (!manifest) return { kind: 'damaged', why: 'its manifest is missing or damaged' };
  for (const [name, wanted] of Object.entries(manifest.files)) {
    host.progress();
    const found = await host.files.stat(`${folder}/${name}`);
    if (!found) return { kind: 'damaged', why: `${name} is gone` };
    if (found.bytes !== wanted.bytes)
      return { kind: 'damaged', why: `${name} has ${found.bytes} bytes instead of ${wanted.bytes}` };
    if (deep && (await host.files.digest(`${folder}/${name}`)) !== wanted.sha256)
      return { kind: 'damaged', why: `${name} has another digest` };
  }
  const { sha256, url, binary, untried, proofs } = manifest;
  return {
    kind: 'whole',
    sha256,
    url,
    binary,
    ...(untried === true ? { untried } : {}),
    ...(proofs ? { proofs } : {}),
  };
};
