/** The processes of a unit whose main program started the daemon, in the /proc of a folder that looks like a host. */
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { UnitFacts } from '../../../host/facts.ts';

/** `now`: epoch seconds; the machine booted a day before. `pid`: of the daemon. */
export const writeProcesses = (
  root: string,
  { name, mainPid, execStart }: UnitFacts,
  child: readonly string[],
  now: number,
  pid = mainPid + 10_000,
): void => {
  const boot = Math.floor(now) - 86_400;
  const born = Math.round((now - boot) * 100);
  const all = new Map([
    [mainPid, execStart],
    [pid, child],
  ]);
  rmSync(join(root, 'proc'), { recursive: true, force: true });
  for (const [one, argv] of all) {
    const at = join(root, 'proc', `${one}`);
    // The kernel lists children by the thread that started them.
    const thread = join(at, 'task', `${one + 1}`);
    mkdirSync(thread, { recursive: true });
    writeFileSync(join(thread, 'children'), one === mainPid ? `${pid} ` : '');
    writeFileSync(join(at, 'cmdline'), argv.map((word) => `${word}\0`).join(''));
    writeFileSync(join(at, 'environ'), '');
    writeFileSync(join(at, 'status'), 'Uid:\t0\t0\t0\t0\n');
    writeFileSync(join(at, 'cgroup'), `0::/system.slice/${name}\n`);
    writeFileSync(join(at, 'stat'), `${one} (x) S 1 ${'0 '.repeat(17)}${born} 0\n`);
    symlinkSync(root, join(at, 'root'));
    symlinkSync('/', join(at, 'cwd'));
    const [program = ''] = argv;
    symlinkSync(program, join(at, 'exe'));
    if (existsSync(join(root, program))) continue;
    mkdirSync(join(root, dirname(program)), { recursive: true });
    writeFileSync(join(root, program), 'the program\n', { mode: 0o755 });
  }
  writeFileSync(join(root, 'proc/stat'), `cpu 0\nbtime ${boot}\n`);
};
