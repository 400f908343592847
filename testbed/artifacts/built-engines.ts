/** OCI runtimes with an engine that Debian does not build: built once from public package registries, by hand, and kept. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Progress, run } from '../machine/command.ts';
import { writeArtifact } from './artifact.ts';
import type { Engine } from './engines.ts';
import { bundlesDir } from './images.ts';

/** The script with the name of the handler writes the program and its libraries into a folder. */
const recipes = {
  /** crun opens libwasmtime.so by this name. */
  wasmtime: { binary: 'crun', variant: 'compat-smart' },
  /** It knows no `compat-smart`. */
  'youki-wasm': { binary: 'youki', variant: 'compat' },
} as const;

export type BuiltName = keyof typeof recipes;
export const builtNames = Object.keys(recipes) as readonly BuiltName[];

/** Undefined: it is not built yet, and was not asked for. */
export const builtEngine = async (
  name: BuiltName,
  wanted: boolean,
  progress: Progress,
): Promise<Engine | undefined> => {
  const { binary, variant } = recipes[name];
  const script = join(import.meta.dirname, 'engines', `${name}.sh`);
  const hash = createHash('sha256')
    .update(await readFile(script))
    .digest('hex')
    .slice(0, 12);
  const bundles = bundlesDir();
  const path = join(bundles, `engine-${name}-${hash}.tar.gz`);
  const description = `${path}.json`;
  // Written last, so an engine with a description is whole.
  if (existsSync(description)) return JSON.parse(await readFile(description, 'utf8')) as Engine;
  if (!wanted) return undefined;
  progress(`building ${name}; it is kept in ${path}`);
  const folder = join(bundles, `.building-${name}-${process.pid}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run([script, folder], { progress, timeoutMs: 7_200_000 });
  const files = (await readdir(folder)).sort();
  const entries = [];
  for (const file of files)
    entries.push({ path: file, bytes: await readFile(join(folder, file)), mode: 0o755 });
  const artifact = await writeArtifact(path, entries);
  await rm(folder, { recursive: true });
  const libraries = files.filter((file) => file !== binary);
  const engine: Engine = { name, binary, libraries, variant, artifact };
  await writeFile(description, JSON.stringify(engine));
  return engine;
};
