/**
 * A real Wasm shim: a small program of ours on the crate of which all upstream shims are made, with wasmtime. It runs WASI modules,
 * and the pause container of a Pod.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Progress } from '../machine/command.ts';
import { type Artifact, writeArtifact } from '../artifacts/artifact.ts';
import { bundlesDir } from '../artifacts/images.ts';
import { kept } from '../artifacts/kept.ts';
import { compile, words } from './cargo.ts';

const source = import.meta.dirname;

/** Of the finished folder, below the cache. */
export const nameOf = (): string => {
  const hash = createHash('sha256').update(JSON.stringify(words));
  for (const file of ['Cargo.toml', 'Cargo.lock', 'src/main.rs'])
    hash.update(readFileSync(join(source, file)));
  return `wasm-shim/${hash.digest('hex').slice(0, 12)}`;
};

/** The folder with the program, built first if need be. */
export const builtWasmShim = (progress: Progress): Promise<string> =>
  kept(nameOf(), 'a Wasm shim, about ten minutes', progress, (folder) => compile(source, folder, progress));

/** The line that it writes before a module runs. */
export const wasmShimLine = (version: string, name = 'spin-v2'): string => `${name} ${version}\n`;

/** `containerd-shim-<name>` in a tar.gz, which says its name and version: it reads them at the end of its own file. */
export const makeWasmShim = async (
  version: string,
  progress: Progress,
  name = 'spin-v2',
): Promise<Artifact> => {
  const folder = await builtWasmShim(progress);
  const program = await readFile(join(folder, 'containerd-shim'));
  const bytes = Buffer.concat([program, Buffer.from(`\n${wasmShimLine(version, name)}`)]);
  return writeArtifact(join(bundlesDir(), `wasm-${name}-${version}.tar.gz`), [
    { path: `containerd-shim-${name}`, bytes, mode: 0o755 },
  ]);
};
