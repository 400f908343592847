/**
 * What is to be written lies where nothing can be written: nothing is half done, and it passes with the obstacle. Every stop:
 * many whole ticks.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Host } from '../../../host/host.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { difference, foreign, treeOf } from '../../../testbed/simulated/tree.ts';

const main = '/etc/containerd/config.toml';
const folder = '/etc/containerd/conf.d';
const dropIn = `${folder}/zz-rcm-node.toml`;
const journal = '/var/lib/rcm-node/journal.json';
const skip = process.getuid?.() === 0 ? false : 'only root may mount';

type Place = {
  readonly version: string;
  readonly main: string;
  readonly place: string;
  readonly names: string;
};

const places: Readonly<Record<string, Place>> = {
  'the folder of the configuration, in which the one of drop-ins is missing': {
    version: '2.1.4',
    main: 'version = 3\n',
    place: '/etc/containerd',
    names: folder,
  },
  'the folder of drop-ins': {
    version: '2.1.4',
    main: `version = 3\nimports = ["${folder}/*.toml"]\n`,
    place: folder,
    names: dropIn,
  },
  'the folder of drop-ins, beside a main file that would be changed too': {
    version: '2.1.4',
    main: 'version = 3\n',
    place: folder,
    names: dropIn,
  },
  'the folder of the main file, which 1.7 has our block in': {
    version: '1.7.24',
    main: 'version = 2\n',
    place: '/etc/containerd',
    names: main,
  },
  'the folder of links': {
    version: '2.1.4',
    main: 'version = 3\n',
    place: '/opt/rcm-node/shims',
    names: '/opt/rcm-node/shims/spin-v2/containerd-shim-spin-v2',
  },
};

const nodeOf = (t: Test, { version, main: text, place }: Place): Node => {
  const node = openNode(makeRoot(t), { version });
  node.write(main, text);
  mkdirSync(join(node.root, place), { recursive: true });
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v2');
  return node;
};

/** Read-only for as long as `work` takes. */
const readOnly = async (node: Node, place: string, work: () => Promise<void>): Promise<void> => {
  const path = join(node.root, place);
  execFileSync('mount', ['--bind', path, path]);
  try {
    execFileSync('mount', ['-o', 'remount,ro,bind', path]);
    await work();
  } finally {
    execFileSync('umount', ['--lazy', path]);
  }
};

for (const [what, place] of Object.entries(places))
  t.test(
    `${what} is read-only: rolling back nothing succeeds, the path is named, the next run succeeds`,
    { skip },
    async (t) => {
      const node = nodeOf(t, place);
      const before = foreign(treeOf(node.root));
      await readOnly(node, place.place, async () => {
        for (const run of [1, 2]) {
          const { outcome } = await node.once();
          t.match(
            outcome,
            {
              kind: 'failed',
              undone: true,
              problem: {
                code: 'read-only',
                where: { file: place.names },
                hint: /is mounted read-only on this host/,
              },
            },
            `run ${run}`,
          );
          t.equal(existsSync(join(node.root, journal)), false, 'nothing is left to be undone');
        }
        t.strictSame(node.fake.containerd.jobs, []);
        t.match(node.fake.lines.join('\n'), `error: ${place.names}`);
      });
      t.strictSame(difference(before, foreign(treeOf(node.root))), {});
      t.equal((await node.once()).outcome.kind, 'converged');
      t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
      await readOnly(node, place.place, async () => {
        const gone = await node.uninstall();
        t.notOk(gone.complete);
        t.match(gone.ticked.outcome, { kind: 'failed', problem: { code: 'read-only' } });
      });
      const served = node.fake.containerd.served();
      t.ok(
        served.includes('spin-v2') || place.names.startsWith('/opt'),
        'what cannot be taken out is served on',
      );
      t.ok((await node.uninstall()).complete);
      t.strictSame(difference(before, foreign(treeOf(node.root))), {});
    },
  );

t.test(
  'a disk becomes read-only in the middle: the next run rolls back the rest, and succeeds',
  async (t) => {
    const node = openNode(makeRoot(t), { version: '2.1.4' });
    node.write(main, 'version = 3\n');
    node.fake.containerd.restartByOther();
    writeShim(node, 'spin-v2');
    const { host } = node.fake;
    const swap: Host['files']['swap'] = async (path, before, after, purpose) => {
      if (path !== main && purpose !== 'undo') return host.files.swap(path, before, after, purpose);
      throw new Failure({
        code: 'read-only',
        message: 'the file cannot be written: EROFS',
        where: { file: path },
      });
    };
    const { outcome } = await node.once({}, { ...host, files: { ...host.files, swap } });
    t.match(outcome, {
      kind: 'failed',
      undone: false,
      problem: {
        code: 'undo-failed',
        where: { file: dropIn },
        hint: /file system is read-only/,
        message: /could not be rolled back yet/,
      },
    });
    t.match(outcome, { problem: { message: new RegExp(`first: ${main}: `) } });
    t.ok(existsSync(join(node.root, journal)));
    const next = await node.once();
    t.equal(next.outcome.kind, 'converged', JSON.stringify(next.outcome));
    t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
  },
);
