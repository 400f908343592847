/** promtool, the checker of Prometheus for rules, their tests and metrics: built from source once, by the first test that needs it. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Progress, run } from '../machine/command.ts';
import { provideGo } from '../artifacts/go.ts';
import { cacheDir } from '../artifacts/images.ts';
import { kept } from '../artifacts/kept.ts';

/** As a module, Prometheus 3.16.0 is v0.316.0. */
const version = '0.316.0';
const module = 'github.com/prometheus/prometheus';

/** Without the clients of all clouds in which Prometheus finds its targets: they are most of the compiling. */
const words = [
  ...['build', '-mod=mod', '-trimpath', '-buildvcs=false', '-tags', 'remove_all_sd'],
  ...['-ldflags', '-s -w', '-o', './', `${module}/cmd/promtool`],
];
const environment = { CGO_ENABLED: '0', GOFLAGS: '' };
const hash = createHash('sha256')
  .update(JSON.stringify([words, environment]))
  .digest('hex');
const name = `promtool/${version}-${hash.slice(0, 8)}`;

const compile = async (folder: string, progress: Progress): Promise<void> => {
  const go = await provideGo(folder, progress);
  const lines = ['module rcm-node.test/promtool', 'go 1.26', `require ${module} v${version}`];
  await writeFile(join(folder, 'go.mod'), `${lines.join('\n')}\n`);
  await run([go, ...words], { cwd: folder, env: environment, timeoutMs: 3_600_000 });
};

/** The program; built first if need be, which takes minutes. */
export const providePromtool = async (progress: Progress): Promise<string> =>
  join(
    await kept(name, `promtool ${version}, some minutes`, progress, (folder) => compile(folder, progress)),
    'promtool',
  );

/** For tests that do not build for minutes: undefined where nothing has built it yet. */
export const builtPromtool = (): string | undefined => {
  const program = join(cacheDir(), name, 'promtool');
  return existsSync(program) ? program : undefined;
};

if (import.meta.main) console.log(await providePromtool((line) => console.log(line)));
