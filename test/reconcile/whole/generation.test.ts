/**
 * The runtime is another generation than the one that ours was written for, and ours keeps it down. Every stop: many whole
 * ticks.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Host } from '../../../host/host.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { difference, foreign, ours, treeOf } from '../../../testbed/simulated/tree.ts';

const main = '/etc/containerd/config.toml';
const dropIn = '/etc/containerd/conf.d/zz-rcm-node.toml';
const second = 1000;

const serving = async (t: Test, version: string, text: string | null): Promise<Node> => {
  const node = openNode(makeRoot(t), { version });
  if (text !== null) node.write(main, text);
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v2');
  t.equal((await node.once()).outcome.kind, 'converged');
  node.fake.advance(7_200 * second);
  node.fake.containerd.jobs.length = 0;
  return node;
};

/** As a package manager does: another program, and a restart. */
const exchange = (node: Node, version: string): void => {
  node.fake.containerd.version = version;
  node.fake.containerd.restartByOther();
  node.fake.advance(second);
};

type Way = {
  readonly from: string;
  readonly to: string;
  /** The main file of others; null: none. */
  readonly main: string | null;
  /** Whether the new one is down with what was written for the old one. */
  readonly down: boolean;
};

const v2 = 'io.containerd.grpc.v1.cri';
const runc = `[plugins."${v2}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n`;

const ways: Readonly<Record<string, Way>> = {
  'back from 2.1 to 1.7, without a main file of others': {
    from: '2.1.4',
    to: '1.7.24',
    main: null,
    down: true,
  },
  'back from 2.1 to 1.7, with a version 2 main file': {
    from: '2.1.4',
    to: '1.7.24',
    main: `version = 2\n${runc}`,
    down: true,
  },
  'back from 2.1 to 1.7, with a main file that declares no version': {
    from: '2.1.4',
    to: '1.7.24',
    main: 'oom_score = -999\n',
    down: true,
  },
  'back from 2.1 to 1.7, with a main file that imports a folder': {
    from: '2.1.4',
    to: '1.7.24',
    main: `version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n${runc}`,
    down: true,
  },
  'upwards from 2.1 to 2.3, with a main file that declares no version': {
    from: '2.1.4',
    to: '2.3.4',
    main: 'oom_score = -999\n',
    // It refuses a drop-in of a higher version than that of the main file, if that declares one.
    down: false,
  },
  'upwards from 1.7 to 2.1, without a main file of others': {
    from: '1.7.24',
    to: '2.1.4',
    main: null,
    down: false,
  },
  'upwards from 1.7 to 2.1, with a version 2 main file': {
    from: '1.7.24',
    to: '2.1.4',
    main: `version = 2\n${runc}`,
    down: false,
  },
};

for (const [what, way] of Object.entries(ways))
  t.test(`${what}: our part is removed, the runtime starts, and serves it again`, async (t) => {
    const node = await serving(t, way.from, way.main);
    const { containerd } = node.fake;
    exchange(node, way.to);
    t.equal(containerd.served().length === 0, way.down, 'down or not, as said');
    const ticked = await node.once();
    t.equal(ticked.outcome.kind, 'converged', JSON.stringify(ticked.outcome));
    t.strictSame(containerd.served(), ['runc', 'spin-v2']);
    t.equal(containerd.jobs.length, way.down ? 2 : 1, 'one restart without ours, one with it');
    t.strictSame((await node.once()).did, []);
    t.ok((await node.uninstall()).complete);
    t.equal(node.read(main), way.main ?? undefined);
    t.strictSame(Object.keys(ours(treeOf(node.root))), []);
    t.strictSame(containerd.served(), ['runc']);
  });

for (const force of [false, true])
  t.test(
    `an uninstall${force ? ' by force' : ''} starts a runtime that our part prevented from starting, in one restart`,
    async (t) => {
      for (const { from, to, main: text, down } of Object.values(ways).filter((one) => one.down)) {
        const node = await serving(t, from, text);
        t.ok(down);
        exchange(node, to);
        const { complete } = await node.uninstall({ force });
        t.ok(complete);
        t.equal(node.read(main), text ?? undefined);
        t.equal(existsSync(join(node.root, dropIn)), false);
        t.strictSame(node.fake.containerd.served(), ['runc']);
        t.equal(node.fake.containerd.jobs.length, 1);
        t.strictSame(Object.keys(ours(treeOf(node.root))), []);
      }
    },
  );

t.test('our text that others broke is removed when the runtime exits because of it', async (t) => {
  const node = await serving(t, '2.1.4', 'version = 3\n');
  const text = node.read(dropIn);
  for (const harm of ['[[[', text?.replace('version = 3', 'version = 9') ?? '']) {
    node.write(dropIn, harm);
    exchange(node, '2.1.4');
    t.strictSame(node.fake.containerd.served(), []);
    t.equal((await node.once()).outcome.kind, 'converged');
    t.equal(node.read(dropIn), text);
    t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
    node.fake.advance(7_200 * second);
  }
});

t.test('when foreign files prevent the start as well, they are named and nothing is restarted', async (t) => {
  const node = await serving(t, '2.1.4', 'version = 3\n');
  exchange(node, '1.7.24');
  const before = foreign(treeOf(node.root));
  t.match((await node.once()).outcome, {
    kind: 'refused',
    problem: { code: 'broken-config', where: { file: main } },
  });
  t.strictSame(difference(before, foreign(treeOf(node.root))), {});
  t.strictSame(node.fake.containerd.jobs, []);
  node.write(main, `version = 2\n${runc}`);
  t.equal((await node.once()).outcome.kind, 'converged', 'it goes on when they are out of the way');
});

t.test(
  'a runtime that fails for another reason gets our part back, once, and is not touched again',
  async (t) => {
    const node = await serving(t, '2.1.4', null);
    const { containerd } = node.fake;
    containerd.behaves = () => 'exits';
    exchange(node, '1.7.24');
    const before = foreign(treeOf(node.root));
    t.match((await node.once()).outcome, { kind: 'failed' });
    t.strictSame(difference(before, foreign(treeOf(node.root))), {});
    const { length } = containerd.jobs;
    for (let tick = 0; tick < 5; tick++) {
      node.fake.advance(60 * second);
      t.match((await node.once()).outcome, { kind: 'refused', problem: { code: 'runtime-unreachable' } });
    }
    t.equal(containerd.jobs.length, length, 'no further restart');
    containerd.behaves = () => 'works';
    t.equal((await node.once({ force: true })).outcome.kind, 'converged', 'a person may try again');
    t.strictSame(containerd.served(), ['runc', 'spin-v2']);
  },
);

t.test('a runtime that was stopped, or does not answer although ours fits it, is left alone', async (t) => {
  const node = await serving(t, '2.1.4', null);
  const { containerd } = node.fake;
  containerd.behaves = () => 'no-cri';
  exchange(node, '2.1.4');
  t.match((await node.once()).outcome, { kind: 'refused', problem: { code: 'runtime-unreachable' } });
  exchange(node, '1.7.24');
  containerd.unit = { ...containerd.unit, active: 'inactive', sub: 'dead' };
  t.match((await node.once()).outcome, { kind: 'refused', problem: { message: /is inactive/ } });
  t.strictSame(containerd.jobs, []);
});

/** `chroot ROOT PROGRAM …` as the fake's own programs see it. */
const imageOf = (node: Node): Host => ({
  ...node.fake.host,
  systemd: undefined,
  tools: {
    run: ([, , program = '', ...words], options) => node.fake.host.tools.run([program, ...words], options),
  },
});

t.test(
  'an image whose runtime was downgraded is prepared again, or repairs itself at its first start',
  async (t) => {
    for (const again of [true, false])
      for (const text of [null, `version = 2\n${runc}`]) {
        const root = makeRoot(t);
        const image = openNode(root, { version: '2.1.4', runs: false });
        if (text !== null) image.write(main, text);
        writeShim(image, 'spin-v2');
        t.equal((await image.once({ activate: false }, imageOf(image))).outcome.kind, 'converged');
        t.ok(image.read(dropIn));
        image.fake.containerd.version = '1.7.24';
        if (again) {
          t.equal((await image.once({ activate: false }, imageOf(image))).outcome.kind, 'converged');
          t.equal(image.read(dropIn), undefined);
        }
        const node = openNode(root, { version: '1.7.24' });
        node.fake.advance(second);
        t.equal(node.fake.containerd.served().includes('spin-v2'), again);
        const ticked = await node.once();
        t.equal(ticked.outcome.kind, 'converged', JSON.stringify(ticked.outcome));
        t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
        t.equal(node.fake.containerd.jobs.length, again ? 0 : 2);
        t.ok((await node.uninstall()).complete);
        t.equal(node.read(main), text ?? undefined);
      }
  },
);
