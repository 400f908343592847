/**
 * Signs SHA256SUMS, and with it every file of a release: with the key that COSIGN_KEY names (a file, a key of a KMS, env://NAME), or
 * with COSIGN_KEYLESS=1 by the identity of a workflow. Without either, nothing is signed, and the release says so.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export type How =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'keyless' }
  | { readonly kind: 'none' };

export const howToSign = (env: Readonly<Record<string, string | undefined>>): How => {
  const isKeyless = env.COSIGN_KEYLESS === '1';
  if (env.COSIGN_KEY && isKeyless)
    throw new Error('COSIGN_KEY and COSIGN_KEYLESS are both set: which of them signs?');
  if (env.COSIGN_KEY) return { kind: 'key', key: env.COSIGN_KEY };
  return { kind: isKeyless ? 'keyless' : 'none' };
};

/** The names of what it wrote. A key of one's own needs no public log, and a build without a network has none. */
export const sign = (folder: string, how: How, cosign = 'cosign'): readonly string[] => {
  if (how.kind === 'none') return [];
  const names = ['SHA256SUMS', 'provenance.intoto.json'];
  for (const name of names) {
    const with_ = how.kind === 'key' ? ['--key', how.key, '--tlog-upload=false'] : [];
    const path = join(folder, name);
    const argv = ['sign-blob', '--yes', ...with_, '--bundle', `${path}.sigstore.json`, path];
    execFileSync(cosign, argv, { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  return names.map((name) => `${name}.sigstore.json`);
};
