/** Programs of Prometheus, which tests ask what they make of our metrics: built from source once, since they are modules of Go. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Progress, run } from '../machine/command.ts';
import { provideGo } from '../artifacts/go.ts';
import { cacheDir } from '../artifacts/images.ts';
import { kept } from '../artifacts/kept.ts';

type Program = {
  readonly module: string;
  readonly version: string;
  /** Below the module. */
  readonly folder: string;
  readonly tags: readonly string[];
};

const programs = {
  /** Judges rules, their tests, and metrics. Prometheus 3.16.0 is, as a module, v0.316.0. */
  promtool: {
    ...{ module: 'github.com/prometheus/prometheus', version: '0.316.0', folder: '/cmd/promtool' },
    // Without the clients of all clouds in which Prometheus finds its targets: they are most of the compiling.
    tags: ['-tags', 'remove_all_sd'],
  },
  /** Reads the metrics of a node from its file. */
  node_exporter: {
    ...{ module: 'github.com/prometheus/node_exporter', version: '1.12.1', folder: '' },
    tags: [],
  },
} as const satisfies Readonly<Record<string, Program>>;

export type Name = keyof typeof programs;

const environment = { CGO_ENABLED: '0', GOFLAGS: '' };
const wordsOf = ({ module, folder, tags }: Program): readonly string[] => [
  ...['build', '-mod=mod', '-trimpath', '-buildvcs=false', ...tags],
  ...['-ldflags', '-s -w', '-o', './', `${module}${folder}`],
];

const keyOf = (name: Name): string => {
  const hash = createHash('sha256').update(JSON.stringify([wordsOf(programs[name]), environment]));
  return `${name}/${programs[name].version}-${hash.digest('hex').slice(0, 8)}`;
};

/** The program; built first if need be, which takes minutes. */
export const provide = async (name: Name, progress: Progress): Promise<string> => {
  const { module, version } = programs[name];
  const what = `${name} ${version}, some minutes`;
  const folder = await kept(keyOf(name), what, progress, async (building) => {
    const go = await provideGo(building, progress);
    const lines = [`module rcm-node.test/${name}`, 'go 1.26', `require ${module} v${version}`];
    await writeFile(join(building, 'go.mod'), `${lines.join('\n')}\n`);
    await run([go, ...wordsOf(programs[name])], { cwd: building, env: environment, timeoutMs: 3_600_000 });
  });
  return join(folder, name);
};

/** For tests that do not build for minutes: undefined where nothing has built it yet. */
export const built = (name: Name): string | undefined => {
  const program = join(cacheDir(), keyOf(name), name);
  return existsSync(program) ? program : undefined;
};

/** For tests: the reason why they do not run. */
export const missing = (name: Name): string | false =>
  built(name) === undefined && `${name} is not built here: npx node testbed/prometheus/programs.ts builds it`;

if (import.meta.main)
  for (const name of Object.keys(programs) as Name[]) console.log(await provide(name, console.log));
