/**
 * A stand-in for a Wasm shim: the suite's own containerd-shim-runc-v2 under another name. It runs ordinary
 * containers, which shows the wiring (path, table, restart, update) without a Wasm engine. It is for tests that run no Pod with it, for
 * Pods that must outlive a restart of containerd, as those of real Wasm shims do not, and for nodes on which these do not start
 * (../wasm-shim/node.ts).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Artifact, writeArtifact } from './artifact.ts';
import type { Progress } from '../machine/command.ts';
import { bundlesDir, type ImageKind, prepareImage, type Suite } from './images.ts';

/**
 * `containerd-shim-<name>` in a tar.gz. Another `version` is another digest of a file that runs the same: the ELF
 * loader does not look at what follows the last section.
 */
export const makeStandInShim = async (
  suite: Suite,
  version: string,
  progress: Progress,
  name = 'spin-v2',
  kind: ImageKind = 'containerd',
): Promise<Artifact> => {
  const tree = await prepareImage(suite, kind, progress);
  const shim = await readFile(join(tree, 'usr/bin/containerd-shim-runc-v2'));
  const bytes = Buffer.concat([shim, Buffer.from(`\nstand-in ${version}\n`)]);
  const of = kind === 'containerd' ? suite : `${suite}-${kind}`;
  return writeArtifact(join(bundlesDir(), `${name}-${of}-${version}.tar.gz`), [
    { path: `containerd-shim-${name}`, bytes, mode: 0o755 },
  ]);
};
