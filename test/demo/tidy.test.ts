import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

/** As a process of its own: it is made for its end. */
const tidied = (folder: string): void => {
  const tidy = join(import.meta.dirname, '../../demo/tidy.ts');
  execFileSync(process.execPath, ['-e', `require(${JSON.stringify(tidy)}).tidyAtExit(() => undefined)`], {
    env: { ...process.env, HOME: join(folder, 'home'), TMPDIR: join(folder, 'shared') },
    stdio: 'ignore',
  });
};

t.test('leftovers of a killed demo are removed, and other things with such a name stay', async (t) => {
  const folder = t.testdir({ home: {}, shared: {}, theirs: { file: 'x' } });
  const shared = (name: string): string => join(folder, 'shared', name);
  // No process has such an id.
  for (const [name, mode] of [
    ['rcm-demo-99999999-left', 0o700],
    ['rcm-demo-99999999-open', 0o755],
    [`rcm-demo-${process.pid}-alive`, 0o700],
  ] as const) {
    mkdirSync(shared(name));
    writeFileSync(join(shared(name), 'file'), 'x');
    chmodSync(shared(name), mode);
  }
  symlinkSync(join(folder, 'theirs'), shared('rcm-demo-99999999-link'));
  tidied(folder);
  t.same(
    new Set(readdirSync(join(folder, 'shared'))),
    new Set(['rcm-demo-99999999-link', 'rcm-demo-99999999-open', `rcm-demo-${process.pid}-alive`]),
  );
  t.same(readdirSync(join(folder, 'theirs')), ['file']);
});

/** Where this may have mounts of its own: the limit, its note and the nodes of this machine are then others. */
const mounts = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

for (const [how, ending, code] of [
  ['Ctrl-C', "process.kill(process.pid, 'SIGINT')", 130],
  ['an unexpected error', "throw new Error('x')", 1],
  ['its own end', '', 0],
] as const)
  t.test(
    `after ${how} the limit of inotify instances is restored`,
    { skip: mounts ? false : 'needs root, and mounts of its own' },
    async (t) => {
      const folder = t.testdir({ limit: '1024\n', note: '128\n', home: {}, empty: {} });
      const tidy = join(import.meta.dirname, '../../demo/tidy.ts');
      const program = `
        require(${JSON.stringify(tidy)}).tidyAtExit(() => undefined);
        setTimeout(() => undefined, 500);
        ${ending};`;
      const script = `
        mount --bind "$1/limit" /proc/sys/fs/inotify/max_user_instances
        if [ -d /var/lib/rcm-node-nodes ]; then mount --bind "$1/empty" /var/lib/rcm-node-nodes; fi
        mount -t tmpfs tmpfs /run
        cp "$1/note" /run/rcm-node-inotify
        "$2" -e "$3"`;
      const { status } = spawnSync(
        'unshare',
        ['-m', 'sh', '-ec', script, 'sh', folder, process.execPath, program],
        { env: { ...process.env, HOME: join(folder, 'home'), TMPDIR: folder }, encoding: 'utf8' },
      );
      t.equal(status, code);
      t.equal(readFileSync(join(folder, 'limit'), 'utf8').trim(), '128');
    },
  );
