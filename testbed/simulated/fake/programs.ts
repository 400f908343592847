/** The programs that rcm-node runs: the container runtime itself, shims and journalctl. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { RunResult } from '../../../host/exec.ts';
import { loadConfig } from '../runtimes/containerd.ts';
import { loadCrio } from '../runtimes/crio.ts';
import type { Loaded } from '../runtimes/loaded.ts';
import type { Process } from './process.ts';

const ran = (code: number, stdout: string, stderr = ''): RunResult => ({
  kind: 'ran',
  code,
  signal: null,
  stdout,
  stderr,
  timedOut: false,
});

const dumped = (loaded: Loaded): RunResult =>
  loaded.kind === 'loaded' ? ran(0, loaded.dump) : ran(1, '', `containerd: ${loaded.why}\n`);

/** Runs `argv` as it would go on a host with this root. */
export const runProgram = (root: string, { daemon, isCrio }: Process, argv: readonly string[]): RunResult => {
  const [program = '', ...words] = argv;
  const { version } = daemon;
  // A shim's test run: a script that says "broken" is one that does not run.
  if (program.startsWith(`${root}/`))
    return headOf(program).includes('broken') ? ran(1, '', 'broken') : ran(0, 'version 1');
  if (words[0] === '--version' && isCrio) return ran(0, `crio version ${version}\n   GitCommit: unknown\n`);
  if (words[0] === '--version')
    return ran(0, `containerd github.com/containerd/containerd v${version} 1234abc\n`);
  if (program === 'journalctl') return ran(0, daemon.journal);
  daemon.dumps += 1;
  if (isCrio) {
    if (words.at(-1) !== 'config') throw new Error(`crio ${words.join(' ')}`);
    return dumped(loadCrio(root, words.slice(0, -1), 'dump'));
  }
  const [first, path, ...verb] = words;
  if (words.join(' ') === 'config default') return dumped(loadConfig(root, undefined, version, 'dump'));
  if (first === '--config' && path !== undefined && verb.join(' ') === 'config dump')
    return dumped(loadConfig(root, path, version, 'dump'));
  throw new Error(`containerd was run as ${argv.join(' ')}`);
};

const headOf = (path: string): string => {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(512);
    return bytes.subarray(0, readSync(file, bytes, 0, 512, 0)).toString('latin1');
  } finally {
    closeSync(file);
  }
};
