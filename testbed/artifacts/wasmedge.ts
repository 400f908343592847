/**
 * crun with WasmEdge as an artifact: Debian's own crun and libwasmedge, and every library they need that a plain
 * trixie node with containerd lacks. The node itself has no WasmEdge, so a Wasm module that runs has used this bundle.
 */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Artifact, writeArtifact } from './artifact.ts';
import { type Progress, run } from '../machine/command.ts';
import { bundlesDir, prepareImage } from './images.ts';

export type WasmedgeBundle = Artifact & {
  /** File names beside `crun`, libwasmedge.so.0 among them. */
  readonly libraries: readonly string[];
};

const libraryDirs = ['usr/lib/x86_64-linux-gnu', 'usr/lib', 'usr/lib64'];

const has = (tree: string, library: string): boolean =>
  libraryDirs.some((dir) => existsSync(join(tree, dir, library)));

/** What the loader in `tree` finds for `file`: names and paths in the tree. */
const needed = async (tree: string, file: string): Promise<readonly (readonly [string, string])[]> => {
  const said = await run(['chroot', tree, 'ldd', file]);
  if (said.includes('not found')) throw new Error(`a library of ${file} is missing in ${tree}: ${said}`);
  return [...said.matchAll(/^\s*(\S+) => (\/\S+)/gm)].map(
    ([, name = '', path = '']) => [name, path] as const,
  );
};

/** The artifact for trixie nodes: `crun` and its libraries, flat, about 60 MB; made once and kept. */
export const makeWasmedgeBundle = async (progress: Progress): Promise<WasmedgeBundle> => {
  const source = await prepareImage('trixie', 'crun', progress);
  const node = await prepareImage('trixie', 'containerd', progress);
  const path = join(bundlesDir(), `wasmedge-${source.slice(-12)}-${node.slice(-12)}.tar.gz`);
  // Written last, so a bundle with a description is whole.
  const description = `${path}.json`;
  if (existsSync(description)) return JSON.parse(await readFile(description, 'utf8')) as WasmedgeBundle;
  progress('packing crun with WasmEdge');
  // crun opens libwasmedge by name when it starts, so the loader's list of crun alone does not tell.
  const wasmedge = '/usr/lib/x86_64-linux-gnu/libwasmedge.so.0';
  const all = new Map([
    ['libwasmedge.so.0', wasmedge],
    ...(await needed(source, '/usr/bin/crun')),
    ...(await needed(source, wasmedge)),
  ]);
  const files = [...all].filter(([name]) => !has(node, name)).sort(([a], [b]) => (a < b ? -1 : 1));
  const entries = [];
  for (const [name, at] of [['crun', '/usr/bin/crun'] as const, ...files])
    entries.push({ path: name, bytes: await readFile(join(source, at)), mode: 0o755 });
  const artifact = await writeArtifact(path, entries);
  const bundle = { ...artifact, libraries: files.map(([name]) => name) };
  await writeFile(description, JSON.stringify(bundle));
  return bundle;
};
