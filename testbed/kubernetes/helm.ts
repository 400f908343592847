/** Helm, which no suite of Debian has: a static program built from source once, by the first test that needs it. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Progress, run } from '../machine/command.ts';
import { provideGo } from '../artifacts/go.ts';
import { cacheDir } from '../artifacts/images.ts';
import { kept } from '../artifacts/kept.ts';

const version = '3.22.0';
const module = 'helm.sh/helm/v3';

/** The version of Kubernetes that it renders for where no server says one: as in Helm's own build, that of its library. */
const minor = '37';
const settings = [
  [`${module}/internal/version.version`, `v${version}`],
  ...[`${module}/pkg/chartutil`, `${module}/pkg/lint/rules`].flatMap((one) => [
    [`${one}.k8sVersionMajor`, '1'],
    [`${one}.k8sVersionMinor`, minor],
  ]),
];
const words = [
  ...['build', '-mod=mod', '-trimpath', '-buildvcs=false'],
  ...['-ldflags', ['-s -w', ...settings.map(([name, value]) => `-X ${name}=${value}`)].join(' ')],
  ...['-o', './', `${module}/cmd/helm`],
];
const environment = { CGO_ENABLED: '0', GOFLAGS: '' };
const hash = createHash('sha256')
  .update(JSON.stringify([words, environment]))
  .digest('hex');
const name = `helm/${version}-${hash.slice(0, 8)}`;

const compile = async (folder: string, progress: Progress): Promise<void> => {
  const go = await provideGo(folder, progress);
  const lines = ['module rcm-node.test/helm', 'go 1.26', `require ${module} v${version}`];
  await writeFile(join(folder, 'go.mod'), `${lines.join('\n')}\n`);
  await run([go, ...words], { cwd: folder, env: environment, timeoutMs: 3_600_000 });
};

/** The program; built first if need be, which takes minutes. */
export const provideHelm = async (progress: Progress): Promise<string> =>
  join(
    await kept(name, `helm ${version}, some minutes`, progress, (folder) => compile(folder, progress)),
    'helm',
  );

/** For tests that do not build for minutes: undefined where nothing has built it yet. */
export const builtHelm = (): string | undefined => {
  const program = join(cacheDir(), name, 'helm');
  return existsSync(program) ? program : undefined;
};

if (import.meta.main) console.log(await provideHelm((line) => console.log(line)));
