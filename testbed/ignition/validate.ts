/** ignition-validate, Ignition's own judge of its JSON: built from source once, by any Go. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Progress, run } from '../machine/command.ts';
import { provideGo } from '../artifacts/go.ts';
import { cacheDir } from '../artifacts/images.ts';
import { kept } from '../artifacts/kept.ts';

const version = '2.24.0';
const module = 'github.com/coreos/ignition/v2';
const words = ['build', '-mod=mod', '-trimpath', '-buildvcs=false', '-o', './ignition-validate'];
const environment = { CGO_ENABLED: '0', GOFLAGS: '' };
const key = createHash('sha256')
  .update(JSON.stringify([words, environment]))
  .digest('hex');
const folder = `ignition/${version}-${key.slice(0, 8)}`;

/** For tests that download and build nothing. */
export const keptIgnitionValidate = (): string | undefined => {
  const path = join(cacheDir(), folder, 'ignition-validate');
  return existsSync(path) ? path : undefined;
};

export const provideIgnitionValidate = async (progress: Progress): Promise<string> => {
  const finished = await kept(folder, `ignition-validate ${version}`, progress, async (building) => {
    const go = await provideGo(building, progress);
    const lines = ['module rcm-node.test/ignition', 'go 1.26', `require ${module} v${version}`];
    await writeFile(join(building, 'go.mod'), `${lines.join('\n')}\n`);
    await run([go, ...words, `${module}/validate`], {
      cwd: building,
      env: environment,
      timeoutMs: 1_800_000,
    });
  });
  return join(finished, 'ignition-validate');
};

if (import.meta.main) await provideIgnitionValidate(console.log);
