/** The policies of `[[signatures]]` with the files that they name: keys and trust roots, which only root may be able to write. */
import { digestOf, canonical } from '../../protocol/digest.ts';
import { paths } from '../../protocol/host-paths.ts';
import { isFields, parseJson } from '../../protocol/json.ts';
import { Failure, type Problem, problemOf } from '../../protocol/problem/problem.ts';
import type { Host } from '../../host/host.ts';
import { publicKeyOf } from '../../host/signature/key.ts';
import { fileFault } from '../toml/file-fault.ts';
import type { Settings } from '../model/settings.ts';
import type { SignaturePolicy, Signer } from '../model/signatures.ts';
import { locate } from '../toml/toml.ts';

/** What cannot be read or understood is the fault of that policy, which then allows nothing. */
export const loadSigners = async (host: Host, { signatures }: Settings): Promise<readonly Signer[]> => {
  const signers: Signer[] = [];
  for (const [index, policy] of signatures.entries()) {
    try {
      signers.push(await withFiles(host, policy));
    } catch (error) {
      signers.push({ policy, fault: await placed(host, index, problemOf(error)) });
    }
  }
  return signers;
};

/** For the report of the node: also where no Shim needs the policy yet. */
export const signerProblems = (signers: readonly Signer[]): readonly Problem[] =>
  signers.flatMap((one) => ('fault' in one ? [one.fault] : []));

const withFiles = async (host: Host, policy: SignaturePolicy): Promise<Signer> => {
  const { by, trustRoot, transparencyLog, timestamp } = policy;
  const key = by.kind === 'key' ? await keyOf(host, by.key) : undefined;
  const root = trustRoot === undefined ? undefined : await rootOf(host, trustRoot);
  const required = { by: by.kind === 'key' ? { key } : by, root, transparencyLog, timestamp };
  return {
    policy,
    id: digestOf(canonical(required)),
    ...(key === undefined ? {} : { key }),
    ...(root === undefined ? {} : { root }),
  };
};

const keyOf = async (host: Host, given: string): Promise<string> => {
  const text = given.startsWith('/') ? await textOf(host, 'key', given) : given;
  try {
    return publicKeyOf(text).export({ type: 'spki', format: 'pem' }).toString();
  } catch (error) {
    const what = given.startsWith('/') ? `key is ${given}` : 'key';
    throw bad(`${what}: ${error instanceof Error ? error.message : 'it cannot be read'}`);
  }
};

const rootOf = async (host: Host, path: string): Promise<string> => {
  const text = await textOf(host, 'trustRoot', path);
  const value = parseJson(text);
  const isRoot =
    isFields(value) && /^application\/vnd\.dev\.sigstore\.trustedroot/.test(String(value.mediaType));
  if (!isRoot) throw bad(`trustRoot is ${path}, and a trusted_root.json of Sigstore is expected there`);
  return text;
};

const textOf = async (host: Host, field: string, path: string): Promise<string> => {
  try {
    const fact = await host.files.lookTrusted(path);
    if (fact.kind === 'regular') return fact.text;
    throw bad(
      `${field} is ${path}: ${fact.kind === 'absent' ? 'there is no such file' : fileFault(fact).message}`,
    );
  } catch (error) {
    const { code, message, hint } = problemOf(error);
    throw code === 'signature-policy' ? error : bad(`${field} is ${path}: ${message}`, hint);
  }
};

const bad = (message: string, hint?: string): Failure =>
  new Failure({ code: 'signature-policy', message, ...(hint === undefined ? {} : { hint }) });

const placed = async (host: Host, index: number, problem: Problem): Promise<Problem> => {
  const settings = await host.files.look(paths.settings);
  const place = settings.kind === 'regular' ? locate(settings.text, ['signatures', index]) : undefined;
  return { ...problem, where: { file: paths.settings, ...place } };
};
