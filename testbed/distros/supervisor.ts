/** The stand-ins for the supervisors of distributions (supervisor/main.go), as one static program that is built once. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { provideGo } from '../artifacts/go.ts';
import { kept } from '../artifacts/kept.ts';
import { type Progress, run } from '../machine/command.ts';

const sources = join(import.meta.dirname, 'supervisor');

/** Its path. Its name, or that of a link to it, says which supervisor it is. */
export const provideSupervisor = async (progress: Progress): Promise<string> => {
  const files = readdirSync(sources).sort();
  const texts = files.map((name) => [name, readFileSync(join(sources, name), 'utf8')]);
  const hash = createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 8);
  const build = async (building: string): Promise<void> => {
    const go = await provideGo(building, progress);
    for (const name of files) await cp(join(sources, name), join(building, name));
    await run([go, 'build', '-trimpath', '-buildvcs=false', '-o', 'supervisor', '.'], {
      cwd: building,
      env: { CGO_ENABLED: '0', GOFLAGS: '' },
      timeoutMs: 600_000,
    });
  };
  const what = 'the stand-ins for supervisors of distributions';
  return join(await kept(`supervisor/${hash}`, what, progress, build), 'supervisor');
};
