/**
 * What the running runtime has loaded is not always what stands in the files: it is never taken for served, and restarted once.
 * Every stop: many whole ticks.
 */
import t, { type Test } from 'tap';
import type { Host } from '../../../host/host.ts';
import { runMortal } from '../artifacts/killed.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';

const main = '/etc/containerd/config.toml';
const folder = '/etc/containerd/conf.d';
const dropIn = `${folder}/zz-rcm-node.toml`;
const minute = 60_000;
const both = ['1.7.24', '2.1.4'] as const;

const options = (text: string): string => `[containerdRuntimeOptions]\n${text}\n`;

const serving = async (t: Test, version: string, more = '', text = ''): Promise<Node> => {
  const node = openNode(makeRoot(t), { version });
  node.write(main, `${text}# theirs\nversion = ${version.startsWith('1') ? 2 : 3}\n`);
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v2', 'spin-v2', more);
  t.equal((await node.once()).outcome.kind, 'converged');
  node.fake.containerd.jobs.length = 0;
  node.fake.advance(61 * minute);
  return node;
};

/** The options that the running daemon has loaded for our handler. */
const loadedOptions = ({ fake }: Node): unknown => {
  const { loaded } = fake.containerd;
  return loaded?.kind === 'loaded' ? loaded.handlers['spin-v2']?.options : undefined;
};
const restarts = (node: Node): number => node.fake.containerd.jobs.length;
const ours = (node: Node): string => (node.read(dropIn) === undefined ? main : dropIn);
const edit = (node: Node, path: string, from: string, to: string): void => {
  const text = node.read(path) ?? '';
  if (!text.includes(from)) throw new Error(`no ${from} in ${text}`);
  node.write(path, text.replace(from, to));
};

/** The host, and what happens to it just before one of its files is written. */
const meanwhile = (host: Host, path: string, act: () => void): Host => {
  let done = false;
  return {
    ...host,
    files: {
      ...host.files,
      swap: async (file, ...rest) => {
        if (file === path && !done) {
          done = true;
          act();
        }
        return host.files.swap(file, ...rest);
      },
    },
  };
};

for (const version of both) {
  t.test(
    `a file written without a restart is loaded with the first tick that may restart (${version})`,
    async (t) => {
      const node = await serving(t, version, options('a = 1'));
      // As after a boot without a tick since.
      node.fake.containerd.restartByOther();
      writeShim(node, 'spin-v2', 'spin-v2', options('a = 2'));
      await node.once({ activate: false });
      t.match(node.read(ours(node)), /a = 2/);
      t.equal((await node.once()).outcome.kind, 'converged');
      t.match(loadedOptions(node), { a: 2 });
      t.equal(restarts(node), 1);
      t.strictSame((await node.once()).did, []);
      t.equal(restarts(node), 1);
    },
  );

  t.test(`an explicit default option differs from a missing one (${version})`, async (t) => {
    for (const value of ['false', '0', '""', '[]']) {
      const node = await serving(t, version, options('a = 1'));
      node.fake.containerd.restartByOther();
      writeShim(node, 'spin-v2', 'spin-v2', options(`a = 1\nb = ${value}`));
      t.equal((await node.once()).outcome.kind, 'converged');
      t.ok(Object.hasOwn(loadedOptions(node) as object, 'b'), value);
      t.equal(restarts(node), 1);
    }
  });

  t.test(`a foreign restart just before a repair has loaded the changed file (${version})`, async (t) => {
    const node = await serving(t, version, options('a = 1'));
    edit(node, ours(node), 'a = 1', 'a = 9');
    const host = meanwhile(node.fake.host, ours(node), () => node.fake.containerd.restartByOther());
    t.equal((await node.once({}, host)).outcome.kind, 'converged');
    t.match(loadedOptions(node), { a: 1 });
    t.equal(restarts(node), 1);
    t.strictSame((await node.once()).did, []);
  });
}

/** A change of an option that is killed at an effect, counted from the last one of a name. */
const killedInChange = async (t: Test, version: string, name: string, back: number): Promise<Node> => {
  const change = async (): Promise<Node> => {
    const node = await serving(t, version, options('a = 1'));
    writeShim(node, 'spin-v2', 'spin-v2', options('a = 2'));
    return node;
  };
  const whole = await change();
  const effects = await runMortal(whole.fake, undefined, (host) => whole.once({}, host));
  const at = effects.findLastIndex((one) => one.name === name) - back;
  const node = await change();
  await runMortal(node.fake, { at, moment: 'before' }, (host) => node.once({}, host));
  return node;
};

for (const version of both) {
  t.test(`killed between the write and the restart, it restarts once (${version})`, async (t) => {
    const node = await killedInChange(t, version, 'resetFailed', 2);
    t.match(node.read(ours(node)), /a = 2/);
    t.equal(restarts(node), 0);
    await node.once();
    t.match(loadedOptions(node), { a: 2 });
    t.equal(restarts(node), 1);
    t.strictSame((await node.once()).did, []);
  });

  t.test(`a foreign replacement before a killed run continues causes no restart (${version})`, async (t) => {
    const node = await killedInChange(t, version, 'resetFailed', 2);
    edit(node, ours(node), 'a = 2', 'a = 9');
    await node.once();
    t.match(node.read(ours(node)), /a = 2/);
    t.match(loadedOptions(node), { a: 2 });
    t.equal(restarts(node), 1);
    t.equal((await node.once()).outcome.kind, 'converged');
    t.equal(restarts(node), 1);
  });

  t.test(`killed after the proof, it records the proven start, and no later one (${version})`, async (t) => {
    const node = await killedInChange(t, version, 'put', 0);
    t.match(loadedOptions(node), { a: 2 });
    edit(node, ours(node), 'a = 2', 'a = 9');
    node.fake.containerd.restartByOther();
    t.match(loadedOptions(node), { a: 9 });
    t.equal((await node.once()).outcome.kind, 'converged');
    t.match(loadedOptions(node), { a: 2 });
    t.equal(restarts(node), 2);
    t.strictSame((await node.once()).did, []);
  });
}
