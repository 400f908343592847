/**
 * A Go that is young enough for Kubernetes and containerd. Any Go serves to fetch it, also one of an old Debian: toolchains are modules,
 * which even those fetch and verify that know nothing of them.
 */
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { attempt, type Progress, run } from '../machine/command.ts';
import { providePackages } from '../machine/machine.ts';

/** What the module file of Kubernetes asks for, with its latest corrections. */
const wanted = { minor: 26, version: '1.26.8' };

/** The program to call; what it fetched is in Go's own cache. `folder` may be written to. */
export const provideGo = async (folder: string, progress: Progress): Promise<string> => {
  if ((await attempt(['go', 'version'])).code === 127)
    await providePackages([['golang-go', '/usr/bin/go']], 'building programs from source', progress);
  const minor = Number(/go1\.(\d+)/.exec(await run(['go', 'version']))?.[1]);
  if (minor >= wanted.minor) return 'go';
  progress(`fetching Go ${wanted.version}, since the Go of this machine is 1.${minor}`);
  await writeFile(join(folder, 'go.mod'), 'module rcm-node.test/toolchain\n');
  const module = `golang.org/toolchain@v0.0.1-go${wanted.version}.linux-amd64`;
  const said = await run(['go', 'mod', 'download', '-json', module], { cwd: folder });
  const { Dir } = JSON.parse(said) as { readonly Dir: string };
  // In the cache of modules nothing is executable.
  for (const programs of ['bin', 'pkg/tool/linux_amd64'])
    for (const name of await readdir(join(Dir, programs))) await chmod(join(Dir, programs, name), 0o755);
  return join(Dir, 'bin/go');
};
