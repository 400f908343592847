/** Killed at any effect of fetching and unpacking, a run leaves one attempt on record, or none. Every stop: many whole ticks. */
import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { tarOf } from '../../../testbed/artifacts/tarball.ts';
import { paths } from '../../../protocol/host-paths.ts';
import {
  makeRoot,
  type Node,
  openNode,
  program,
  sha256,
  shimFile,
  writeShim,
} from '../../../testbed/simulated/node.ts';
import { treeOf } from '../../../testbed/simulated/tree.ts';
import { runMortal } from './killed.ts';

const second = 1000;
const names = ['spin-v2', 'wws-v1'];
const attemptsOf = (node: Node) => JSON.parse(node.read(paths.ledger) ?? '{}').attempts;

t.test(
  'wherever it is killed, at most one attempt is counted for every handler of the artifact',
  async (t) => {
    const open = (): Node => {
      const node = openNode(makeRoot(t), { version: '2.1.4' });
      for (const name of names) writeShim(node, name, 'one-program');
      return node;
    };
    const effects = await runMortal(open().fake, undefined, async (host) => open().once({}, host));
    const counts = new Set<string>();
    for (const [at, { name }] of effects.entries()) {
      const node = open();
      await runMortal(node.fake, { at, moment: 'after' }, (host) => node.once({}, host));
      await node.once();
      const attempts = Object.values(attemptsOf(node) as Record<string, { count: number }>);
      if (attempts.some(({ count }) => count > 1)) t.fail(`killed after ${at} (${name}): counted twice`);
      counts.add(attempts.map(({ count }) => count).join());
      node.fake.advance(20 * second);
      t.equal((await node.once()).outcome.kind, 'converged', `killed after ${at} (${name})`);
      node.remove('/');
    }
    t.ok(counts.has('1,1') && counts.has(''), [...counts].join(' | '));
  },
);

/** An archive of which any of three files may be the shim, until its end: each of them is written. */
const withCandidates = (node: Node): void => {
  const mode = 0o755;
  const archive = gzipSync(
    tarOf([
      { path: 'containerd-shim-another', bytes: Buffer.alloc(200_000, 'another '), mode },
      { path: 'containerd-shim-spin-v2', bytes: Buffer.from(program('spin-v2')), mode },
      { path: 'containerd-shim-third', bytes: Buffer.alloc(200_000, 'third '), mode },
    ]),
  );
  const text = shimFile('spin-v2').replace(sha256(program('spin-v2')), sha256(archive));
  node.write('/etc/rcm-node/shims.d/spin-v2.toml', text);
  node.write('/srv/artifacts/spin-v2', '');
  writeFileSync(join(node.root, 'srv/artifacts/spin-v2'), archive);
};

t.test('killed at a change of its folder, unpacking leaves no candidate that was not chosen', async (t) => {
  const killed: number[] = [];
  const left = new Set<string>();
  for (const nth of [1, 2, 4, 6, 8, 100]) {
    const node = openNode(makeRoot(t), { version: '2.1.4' });
    withCandidates(node);
    const argv = [join(import.meta.dirname, 'kill-unpacking.ts'), node.root, `${nth}`];
    const { signal, status, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
    if (signal === 'SIGKILL') killed.push(nth);
    else t.equal(status, 0, stderr);
    const store = join(node.root, paths.store);
    for (const name of readdirSync(store, { recursive: true, encoding: 'utf8' })) left.add(name);
    node.fake.advance(60 * second);
    t.equal((await node.once()).outcome.kind, 'converged', `killed at change ${nth}`);
    const inIncoming = Object.keys(treeOf(node.root)).filter((path) => path.startsWith(`${paths.incoming}/`));
    const placed = readdirSync(store).filter((name) => /^[0-9a-f]{64}$/.test(name));
    t.strictSame([inIncoming, placed.length], [[], 1]);
    t.strictSame(readdirSync(join(store, placed[0] ?? '')).sort(), [
      'containerd-shim-spin-v2',
      'manifest.json',
    ]);
    node.remove('/');
  }
  t.ok(killed.length > 2 && !killed.includes(100), `killed at ${killed.join()}`);
  t.ok(
    [...left].some((name) => /\/\.\d+[^/]*$/.test(name)),
    `a kill left candidates: ${[...left].join(' ')}`,
  );
});
