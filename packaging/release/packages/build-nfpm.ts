/** nfpm, which writes deb and rpm, built from source once. It is a tool of the release, and no part of what a host gets. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Progress, run } from '../../../testbed/machine/command.ts';
import { provideGo } from '../../../testbed/artifacts/go.ts';
import { cacheDir } from '../../../testbed/artifacts/images.ts';
import { kept } from '../../../testbed/artifacts/kept.ts';

const version = '2.45.2';
const module = 'github.com/goreleaser/nfpm/v2';
const words = ['build', '-mod=mod', '-trimpath', '-buildvcs=false', '-ldflags', '-s -w', '-o', './nfpm'];
const environment = { CGO_ENABLED: '0', GOFLAGS: '' };

const key = createHash('sha256')
  .update(JSON.stringify([words, environment]))
  .digest('hex')
  .slice(0, 8);
const folder = `nfpm/${version}-${key}`;

/** The program, where an earlier run left it: for tests that download and build nothing. */
export const keptNfpm = (): string | undefined => {
  const path = join(cacheDir(), folder, 'nfpm');
  return existsSync(path) ? path : undefined;
};

export const provideNfpm = async (progress: Progress): Promise<string> => {
  const finished = await kept(folder, `nfpm ${version}, about a minute`, progress, async (building) => {
    const go = await provideGo(building, progress);
    await writeFile(
      join(building, 'go.mod'),
      `module rcm-node.test/nfpm\ngo 1.26\nrequire ${module} v${version}\n`,
    );
    await run([go, ...words, `${module}/cmd/nfpm`], {
      cwd: building,
      env: environment,
      timeoutMs: 1_800_000,
    });
  });
  return join(finished, 'nfpm');
};

if (import.meta.main) await provideNfpm(console.log);
