/**
 * What a release writes into an image, prepared from outside with `--root`: killed before changes all over it, and when it is
 * done. The image has Debian's containerd, which judges the configuration; nothing runs in it.
 */
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { prepareImage } from '../artifacts/images.ts';
import { attempt, type Progress, run, type Said } from '../machine/command.ts';
import { prepareStrace } from '../node/strace.ts';
import { type Change, changeOf, type KeptTree, treeIn } from './tree.ts';

export type Stage = {
  /** The change that was not made any more. */
  readonly killed: string;
  readonly change: Change;
};

export type ImageRecord = {
  readonly containerd: string;
  readonly before: KeptTree;
  readonly written: Change;
  readonly stages: readonly Stage[];
};

const mostStages = 8;
const program = '#!/bin/sh\nexec /usr/bin/containerd-shim-runc-v2 "$@"\n';
const calls = 'rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir';

export const recordImage = async (from: string, progress: Progress): Promise<ImageRecord> => {
  await prepareStrace(progress);
  const image = await prepareImage('trixie', 'containerd', progress);
  const work = mkdtempSync(join(tmpdir(), 'rcm-node-record-'));
  const [upper, scratch, root] = ['upper', 'scratch', 'root'].map((name) => join(work, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [upper, scratch, root]) mkdirSync(path);
  await run([
    'mount',
    '-t',
    'overlay',
    'overlay',
    '-o',
    `lowerdir=${image},upperdir=${upper},workdir=${scratch}`,
    root,
  ]);
  try {
    const write = (path: string, text: string, mode = 0o644): void => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
      chmodSync(join(root, path), mode);
    };
    const sha256 = createHash('sha256').update(program).digest('hex');
    write('/srv/recorded/spin-v2', program, 0o755);
    write('/etc/rcm-node/config.toml', 'stable = 1\nquiet = 0\n');
    write(
      '/etc/rcm-node/shims.d/spin-v2.toml',
      `name = "spin-v2"\n[fetchStrategy.anonHttp]\nlocation = "file:///srv/recorded/spin-v2"\nsha256 = "${sha256}"\n`,
    );
    const tree = (): KeptTree => treeIn({ hostPath: (path) => join(root, path) });
    const before = tree();
    const rcmNode = (command: string, tracer: readonly string[] = []): Promise<Said> =>
      attempt([...tracer, join(from, 'rcm-node'), command, '--root', root, '--no-activate'], {
        timeoutMs: 120_000,
        cleanEnv: true,
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', UV_THREADPOOL_SIZE: '1' },
      });
    const must = async (command: string): Promise<void> => {
      const said = await rcmNode(command);
      if (said.code !== 0) throw new Error(`${command}: ${said.code}\n${said.stdout}${said.stderr}`);
    };
    const log = join(work, 'calls');
    await rcmNode('once', ['strace', '-f', '-qqq', '-o', log, '-e', `trace=${calls}`]);
    const counts = new Map<string, number>();
    const changes = (await readFile(log, 'utf8')).split('\n').flatMap((line) => {
      const [, thread = '', call, words = '', answer] = /^(\d+) +(\w+)\((.*)\) += (-?\d+)/.exec(line) ?? [];
      if (call === undefined) return [];
      const at = (counts.get(`${thread} ${call}`) ?? 0) + 1;
      counts.set(`${thread} ${call}`, at);
      const path = [...words.matchAll(/"([^"]*)"/g)].at(-1)?.[1] ?? '';
      const inside = path.startsWith(root) ? path.slice(root.length) : '';
      return answer === '0' && inside !== '' && !inside.startsWith('/run/')
        ? [{ call, at, path: inside }]
        : [];
    });
    const stages: Stage[] = [];
    const every = Math.max(1, Math.floor(changes.length / mostStages));
    for (const { call, at, path } of changes.filter((_one, index) => index % every === every - 1)) {
      await must('uninstall');
      const kill = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${at}`];
      await rcmNode('once', ['strace', '-f', '-qqq', '-o', '/dev/null', ...kill]);
      progress(`killed before ${call} of ${path}`);
      stages.push({
        killed: `${call} of ${path}`,
        change: changeOf(before, tree()),
      });
      await must('once');
    }
    const version = await run(['chroot', root, 'containerd', '--version']);
    return {
      containerd: / v?(\d+\.\d+\.\d+)/.exec(version)?.[1] ?? '',
      before,
      written: changeOf(before, tree()),
      stages,
    };
  } finally {
    await run(['umount', root]);
    await rm(work, { recursive: true, force: true });
  }
};
