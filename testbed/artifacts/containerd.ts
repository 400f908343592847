/** containerd of releases that no suite of Debian has, as static programs built from source once. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Progress, run } from '../machine/command.ts';
import { provideGo } from './go.ts';
import { kept } from './kept.ts';

const module = 'github.com/containerd/containerd/v2';
const programs = ['containerd', 'containerd-shim-runc-v2', 'ctr'] as const;

/** Without C, so that they run with any node's libraries. */
const environment = { CGO_ENABLED: '0', GOFLAGS: '' };

const words = (version: string): readonly string[] => [
  ...['build', '-mod=mod', '-trimpath', '-buildvcs=false'],
  ...['-ldflags', `-s -w -X ${module}/version.Version=v${version}`],
  ...['-o', './', ...programs.map((name) => `${module}/cmd/${name}`)],
];

const compile = async (folder: string, version: string, progress: Progress): Promise<void> => {
  const go = await provideGo(folder, progress);
  const lines = ['module rcm-node.test/containerd', 'go 1.26', `require ${module} v${version}`];
  await writeFile(join(folder, 'go.mod'), `${lines.join('\n')}\n`);
  await run([go, ...words(version)], { cwd: folder, env: environment, timeoutMs: 3_600_000 });
};

/** Puts a containerd, 2.4.2 for instance, in the place of the one of the suite: binds for a node. */
export const containerdBinds = async (
  version: string,
  progress: Progress,
): Promise<Readonly<Record<string, { readonly from: string; readonly readOnly: true }>>> => {
  const hash = createHash('sha256')
    .update(JSON.stringify([words(version), environment]))
    .digest('hex');
  const folder = await kept(
    `containerd/${version}-${hash.slice(0, 8)}`,
    `containerd ${version}, about two minutes`,
    progress,
    (building) => compile(building, version, progress),
  );
  return Object.fromEntries(
    programs.map((name) => [`/usr/bin/${name}`, { from: join(folder, name), readOnly: true }]),
  );
};
