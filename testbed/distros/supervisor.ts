/** The stand-ins for the supervisors of distributions (supervisor/main.go), as a static program that is built once. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { provideGo } from '../artifacts/go.ts';
import { kept } from '../artifacts/kept.ts';
import { type Progress, run } from '../machine/command.ts';

const folder = join(import.meta.dirname, 'supervisor');

/**
 * The executable of k3s is containerd, too, when it is called by that name: scripts/build of k3s at 015c032b makes the link. So what
 * runs as containerd is a file named k3s, which is no containerd by any other name.
 */
const withContainerd = (module: string): string => `package main

import (
	"fmt"
	"os"

	_ "${module}/cmd/containerd/builtins"
	"${module}/cmd/containerd/command"
)

func init() {
	programs["containerd"] = func([]string) error {
		if err := command.App().Run(os.Args); err != nil {
			fmt.Fprintf(os.Stderr, "containerd: %s\\n", err)
			os.Exit(1)
		}
		return nil
	}
}
`;

const sourcesOf = (containerd: string | undefined): Readonly<Record<string, string>> => {
  const sources: Record<string, string> = {};
  for (const name of readdirSync(folder).sort()) sources[name] = readFileSync(join(folder, name), 'utf8');
  if (containerd === undefined) return sources;
  const module = `github.com/containerd/containerd${containerd.startsWith('1.') ? '' : '/v2'}`;
  return {
    ...sources,
    'go.mod': `${sources['go.mod']}\nrequire ${module} v${containerd}\n`,
    'containerd.go': withContainerd(module),
  };
};

/** Its path. Its name, or that of a link to it, says what it is. With the version of a containerd, it has that inside. */
export const provideSupervisor = async (progress: Progress, containerd?: string): Promise<string> => {
  const sources = sourcesOf(containerd);
  const hash = createHash('sha256').update(JSON.stringify(sources)).digest('hex').slice(0, 8);
  const build = async (building: string): Promise<void> => {
    const go = await provideGo(building, progress);
    for (const [name, text] of Object.entries(sources)) await writeFile(join(building, name), text);
    const mode = containerd === undefined ? 'readonly' : 'mod';
    const argv = [
      go,
      'build',
      `-mod=${mode}`,
      '-trimpath',
      '-buildvcs=false',
      '-ldflags=-s -w',
      '-o',
      'supervisor',
      '.',
    ];
    await run(argv, { cwd: building, env: { CGO_ENABLED: '0', GOFLAGS: '' }, timeoutMs: 3_600_000 });
  };
  const what = `stand-ins for supervisors of distributions${containerd === undefined ? '' : `, with containerd ${containerd}, some minutes`}`;
  return join(await kept(`supervisor/${containerd ?? 'alone'}-${hash}`, what, progress, build), 'supervisor');
};
