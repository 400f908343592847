/**
 * What Flux, Helm and Argo CD make of an object: the library that the first two wait with, and the health check for the last
 * one that docs/gitops/argo-cd.md has, in a small Go program that is built once (kstatus/main.go).
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { acquireLock } from '../../host/files/lock.ts';
import { type Progress, run } from '../machine/command.ts';
import { cacheDir } from '../artifacts/images.ts';
import { provideGo } from '../artifacts/go.ts';

export type Judged = {
  /** kstatus: InProgress, Current, Failed or Terminating. */
  readonly status: string;
  readonly message: string;
  /** Argo CD: Progressing, Healthy, Degraded or Suspended. */
  readonly health: string;
  readonly said: string;
};

const sources = join(import.meta.dirname, 'kstatus');
const document = join(import.meta.dirname, '../../docs/gitops/argo-cd.md');

const build = async (progress: Progress): Promise<string> => {
  const files = ['main.go', 'go.mod', 'go.sum'];
  const texts = await Promise.all(files.map((name) => readFile(join(sources, name), 'utf8')));
  const hash = createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 8);
  const parent = join(cacheDir(), 'kstatus');
  const finished = join(parent, hash);
  if (existsSync(finished)) return join(finished, 'kstatus');
  await mkdir(parent, { recursive: true });
  const lock = await acquireLock(join(parent, 'build.lock'), { waitMs: 600_000 });
  try {
    if (!existsSync(finished)) {
      progress(`building kstatus; kept in ${finished}`);
      const building = join(parent, '.building');
      await rm(building, { recursive: true, force: true });
      await mkdir(building);
      const go = await provideGo(building, progress);
      for (const name of files) await cp(join(sources, name), join(building, name));
      await run([go, 'build', '-trimpath', '-buildvcs=false', '-o', 'kstatus', '.'], {
        cwd: building,
        env: { CGO_ENABLED: '0', GOFLAGS: '' },
        timeoutMs: 600_000,
      });
      await rename(building, finished);
    }
  } finally {
    await lock.release();
  }
  return join(finished, 'kstatus');
};

/** The Lua that the document tells people to put into argocd-cm. */
export const argoHealthCheck = async (): Promise<string> => {
  const text = await readFile(document, 'utf8');
  const block = /```yaml\n(# argocd-cm[\s\S]*?)```/.exec(text)?.[1];
  if (block === undefined) throw new Error(`${document} has no health check for Argo CD`);
  const { data } = parse(block) as { readonly data: Readonly<Record<string, string>> };
  const script = data['resource.customizations.health.runtime.spinkube.dev_Shim'];
  if (script === undefined) throw new Error(`${document} has no health check of Shims`);
  return script;
};

export const provideJudge = async (
  folder: string,
  progress: Progress,
): Promise<(objects: readonly unknown[]) => Promise<readonly Judged[]>> => {
  const program = await build(progress);
  const script = join(folder, 'health.lua');
  await writeFile(script, await argoHealthCheck());
  return async (objects) =>
    JSON.parse(await run([program, script], { input: JSON.stringify(objects) })) as readonly Judged[];
};
