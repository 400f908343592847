/**
 * What crash.test.ts shows of an installation, for what comes after it: updates, removals, uninstall and rollbacks. Every
 * stop: it takes minutes.
 */
import { parse, stringify } from 'smol-toml';
import t, { type Test } from 'tap';
import type { Start } from '../../../testbed/simulated/fake/daemon.ts';
import { printClusterCache } from '../../../daemon/model/cluster-cache.ts';
import { revisionOf } from '../../../daemon/shims/revision.ts';
import { seen } from '../../approvals.ts';
import { type Row, rows } from '../../../testbed/simulated/rows.ts';
import {
  burstOf,
  makeRoot,
  type Node,
  openCase,
  openNode,
  program,
  sha256,
  takeoversFolder,
  writeShim,
} from '../../../testbed/simulated/node.ts';
import type { ShimObject } from '../../../protocol/shim-object.ts';
import { survive } from './story.ts';

const main = '/etc/containerd/config.toml';

const plain = (row: Row) => (t: Test) => {
  const node = openNode(makeRoot(t), row.meta);
  writeShim(node, 'spin-v2');
  writeShim(node, 'wws-v1');
  return node;
};
const installed = async (node: Node): Promise<void> => {
  await node.once();
};

// Other processes share the machine; a slow one is no failure.
t.setTimeout(process.env.CRASH ? 1_800_000 : 300_000);

const [oldest, newest, crio] = rows as readonly [Row, Row, Row];

for (const [index, row] of rows.entries()) {
  /** A sample on each of them, and not the same one. */
  const dies = (at: number): boolean => at % 25 === index;
  t.test(`a new version of a shim on ${row.name} needs no restart, killed or not`, (t) =>
    survive(
      t,
      {
        open: plain(row),
        prepare: async (node) => {
          await node.once();
          writeShim(node, 'spin-v2', 'spin-v2-new');
        },
        run: (node, host) => node.once({}, host),
        restarts: 0,
      },
      dies,
    ),
  );

  t.test(`the removal of one of two shims on ${row.name} can be killed here and there`, (t) =>
    survive(
      t,
      {
        open: plain(row),
        prepare: async (node) => {
          await node.once();
          node.remove('/etc/rcm-node/shims.d/spin-v2.toml');
        },
        run: (node, host) => node.once({}, host),
        restarts: 1,
      },
      dies,
    ),
  );

  t.test(`an uninstallation from ${row.name} can be killed here and there`, (t) =>
    survive(
      t,
      {
        open: plain(row),
        prepare: installed,
        run: (node, host) => node.uninstall({}, host),
        restarts: 1,
      },
      dies,
    ),
  );
}

/** What is done before the end of a burst, beside what is in service already. `more`: what else changes in the burst. */
const bursts: readonly {
  readonly what: string;
  readonly change: (node: Node) => void;
  readonly more?: (node: Node) => void;
  readonly restarts: number;
}[] = [
  {
    what: 'an update and an addition',
    change: (node) => {
      writeShim(node, 'spin-v2', 'spin-v2-new');
      writeShim(node, 'lunatic-v1');
    },
    restarts: 2,
  },
  {
    what: 'a removal that is taken back',
    change: (node) => node.remove('/etc/rcm-node/shims.d/wws-v1.toml'),
    more: (node) => writeShim(node, 'wws-v1'),
    restarts: 0,
  },
  {
    what: 'an addition under settings that change',
    change: (node) => writeShim(node, 'lunatic-v1'),
    more: (node) => node.write('/etc/rcm-node/config.toml', 'maxArtifactBytes = 1000000\n'),
    restarts: 1,
  },
];

for (const [index, row] of [newest, crio].entries())
  for (const { what, change, more, restarts } of bursts)
    t.test(`${what} in a burst on ${row.name} can be killed here and there`, (t) =>
      survive(
        t,
        {
          open: plain(row),
          prepare: async (node) => {
            await node.once();
            change(node);
          },
          run: (node, host) => node.once({ burst: burstOf(node, host, () => more?.(node)) }, host),
          restarts,
        },
        (at) => at % 7 === index,
      ),
    );

/** Served by 2.1, and down since its program is 1.7. */
const wentBack = async (node: Node): Promise<void> => {
  await node.once();
  const { containerd } = node.fake;
  containerd.version = '1.7.24';
  containerd.restartByOther();
};

for (const name of ['rcm-1.7', 'rcm-imported', 'kwasm-0.2', 'k3s-rcm', 'microk8s-kwasm'])
  t.test(`a takeover of ${name} can be killed here and there`, (t) =>
    survive(
      t,
      {
        open: (t) => openCase(t, name, takeoversFolder),
        run: (node, host) => node.once({ takeover: { unused: true } }, host),
        restarts: 1,
      },
      (at) => at % 9 === 4,
    ),
  );

t.test('a runtime that was downgraded starts again, killed or not', (t) =>
  survive(
    t,
    { open: plain(newest), prepare: wentBack, run: (node, host) => node.once({}, host), restarts: 2 },
    (at) => at % 13 === 2,
  ),
);

t.test(
  'an uninstallation from a runtime that our part prevents from starting can be killed here and there',
  (t) =>
    survive(
      t,
      { open: plain(newest), prepare: wentBack, run: (node, host) => node.uninstall({}, host), restarts: 1 },
      (at) => at % 17 === 3,
    ),
);

t.test('our part is marked again after another program rewrote the file, killed or not', (t) =>
  survive(
    t,
    {
      open: plain(oldest),
      prepare: async (node) => {
        await node.once();
        node.write(main, stringify(parse(node.read(main) ?? '')));
      },
      run: (node, host) => node.once({}, host),
      restarts: 0,
    },
    (at) => at % 5 === 0,
  ),
);

for (const version of ['1.7.24', '2.1.4'])
  t.test(`a move of the configuration of containerd ${version} can be killed on its way`, (t) => {
    const site = '/etc/site/containerd.toml';
    return survive(
      t,
      {
        open: (t) => {
          const execStart = ['/usr/bin/containerd', '-c', site];
          const node = openNode(makeRoot(t), { version, execStart });
          writeShim(node, 'spin-v2');
          return node;
        },
        prepare: async (node) => {
          await openNode(node.root, { version }).once();
          node.write(site, `version = ${version.startsWith('1') ? 2 : 3}\n`);
          node.fake.containerd.restartByOther();
        },
        run: (node, host) => node.once({}, host),
        restarts: 1,
      },
      (at) => at % 9 === 2,
    );
  });

for (const row of [newest, crio])
  t.test(`what an image contains and ${row.name} does not start with can be removed, killed or not`, (t) =>
    survive(
      t,
      {
        open: plain(row),
        prepare: async (node) => {
          await node.once({ activate: false });
          node.fake.containerd.behaves = (handlers) => (handlers.includes('wws-v1') ? 'fails' : 'works');
          node.fake.containerd.restartByOther();
        },
        run: (node, host) => node.once({}, host),
        restarts: 1,
      },
      (at) => at % 5 === 0,
    ),
  );

const bads: readonly (readonly [what: string, how: Start])[] = [
  ['does not start', 'exits'],
  ['starts without CRI', 'no-cri'],
];
for (const row of [newest, crio])
  for (const [what, how] of bads)
    t.test(`a rollback because ${row.name} ${what} can be killed on its way`, (t) =>
      survive(
        t,
        {
          open: (t) => {
            const node = plain(row)(t);
            node.fake.containerd.behaves = (handlers) => (handlers.includes('wws-v1') ? how : 'works');
            return node;
          },
          run: (node, host) => node.once({}, host),
          restarts: 2,
        },
        (at) => at % (how === 'exits' && row === newest ? 2 : 9) === 0,
      ),
    );

for (const row of [newest, crio])
  t.test(`one of two shims that starts nothing on ${row.name} is left out, killed or not`, (t) =>
    survive(
      t,
      {
        open: (t) => {
          const node = plain(row)(t);
          // A restart that was counted before a kill is counted again, and the last one would have to wait.
          node.write('/etc/rcm-node/config.toml', 'restartsPerHour = 10\n');
          node.fake.containerd.starts = (handler) => (handler === 'wws-v1' ? 'refused' : 'works');
          return node;
        },
        run: (node, host) => node.once({}, host),
        restarts: 3,
      },
      (at) => at % 11 === 4,
    ),
  );

/** Shims of a cluster; `approved`: may be taken up now. */
const ask = (node: Node, shims: readonly ShimObject[], approved: Readonly<Record<string, string>>): void => {
  const approvals = { approved: seen(approved, node.fake.host.clock.now() + 600_000) };
  node.write(
    '/var/lib/rcm-node/cluster.json',
    printClusterCache({ version: 1, node: 'n', shims, approvals }),
  );
};
const shim = (node: Node, name: string, more: object = {}): ShimObject => {
  node.write(`/srv/artifacts/${name}`, program(name), 0o755);
  const anonHttp = { location: `file:///srv/artifacts/${name}`, sha256: sha256(program(name)) };
  return { metadata: { name }, spec: { fetchStrategy: { anonHttp }, ...more } } as ShimObject;
};
const renamed = { runtimeClass: { name: 'x', handler: 'spin-x' } };

const oci = { runtime: { type: 'oci', binary: 'crun' } };
/** The change of a handler's options; CRI-O has no options, and annotations of its own. */
const changes = {
  containerd: { kind: {}, waits: { containerdRuntimeOptions: { Root: '/run/x' } } },
  crio: { kind: oci, waits: { ...oci, podAnnotations: ['run.oci.handler'] } },
} as const;

for (const row of [newest, crio])
  for (const how of ['works', 'exits'] as const)
    t.test(`an approved change of a Shim on ${row.name}, which ${how}, can be killed on its way`, (t) =>
      survive(
        t,
        {
          open: (t) => openNode(makeRoot(t), row.meta),
          prepare: async (node) => {
            const { kind, waits: other } = changes[node.runtime];
            const [one, two] = [shim(node, 'spin-v2', kind), shim(node, 'wws-v1', kind)];
            ask(node, [one, two], { 'spin-v2': revisionOf(one), 'wws-v1': revisionOf(two) });
            await node.once();
            const changed = shim(node, 'spin-v2', { ...kind, ...renamed });
            const waits = shim(node, 'wws-v1', other);
            ask(node, [changed, waits], { 'spin-v2': revisionOf(changed) });
            node.fake.containerd.behaves = (handlers) => (handlers.includes('spin-x') ? how : 'works');
          },
          run: (node, host) => node.once({}, host),
          restarts: how === 'works' ? 1 : 2,
        },
        (at) => at % 7 === 0,
      ),
    );
