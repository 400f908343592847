/**
 * What a distribution does to a host after rcm-node was installed: each folder of test/cases with a folder `upgrade` is
 * installed, has its own files written anew as at a boot, is upgraded to these files (`upgrade.toml`: the new version of the
 * runtime), and uninstalled.
 */
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import t from 'tap';
import { casesFolder, type Node, openCase } from '../../testbed/simulated/node.ts';
import { difference, foreign, ours, treeOf } from '../../testbed/simulated/tree.ts';

/** Copies the files of a folder over the host, and starts the runtime anew, as another program does. */
const bring = (node: Node, folder: string, version?: string): void => {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  for (const { parentPath, name } of files) {
    const path = join(parentPath, name);
    const at = join(node.root, path.slice(folder.length));
    const mode = existsSync(at) ? statSync(at).mode & 0o7777 : 0o644;
    cpSync(path, at);
    chmodSync(at, mode);
  }
  if (version !== undefined) node.fake.containerd.version = version;
  node.fake.containerd.restartByOther();
};

const versionIn = (folder: string): string | undefined => {
  const path = join(folder, 'upgrade.toml');
  return existsSync(path) ? String(parse(readFileSync(path, 'utf8')).version) : undefined;
};

const names = readdirSync(casesFolder).filter((name) => existsSync(join(casesFolder, name, 'upgrade')));

t.test('there are distributions', async (t) => {
  t.ok(names.length > 10, names.join(' '));
});

for (const name of names)
  t.test(`on ${name}, handlers survive a boot and an upgrade, and uninstall leaves nothing`, async (t) => {
    const folder = join(casesFolder, name);
    const host = join(folder, 'host');
    const upgrade = join(folder, 'upgrade');
    const never = openCase(t, name);
    bring(never, host);
    bring(never, upgrade);
    const node = openCase(t, name);
    const { containerd } = node.fake;
    const settled = async (what: string): Promise<void> => {
      const before = containerd.jobs.length;
      const { outcome } = await node.once();
      t.equal(outcome.kind, 'converged', `${what}: ${JSON.stringify(outcome)}`);
      t.ok(containerd.jobs.length <= before + 1, `${what}: one restart at most`);
      const done = containerd.jobs.length;
      t.same((await node.once()).did, [], `${what}: and nothing after it`);
      t.equal(containerd.jobs.length, done, `${what}: no restart either`);
      t.ok(
        containerd.served().some((one) => ['spin-v2', 'wasmedge'].includes(one)),
        `${what}: it is served`,
      );
    };
    await settled('install');
    bring(node, host);
    await settled('boot');
    bring(node, upgrade, versionIn(folder));
    await settled('upgrade');
    t.ok((await node.uninstall()).complete);
    const left = treeOf(node.root);
    t.same(Object.keys(ours(left)), []);
    t.same(difference(foreign(treeOf(never.root)), foreign(left)), {});
  });

t.test('while k3s starts its containerd again, an uninstall removes nothing', async (t) => {
  const node = openCase(t, 'k3s-folder');
  t.equal((await node.once()).outcome.kind, 'converged');
  const before = treeOf(node.root);
  const tasks = join(node.root, 'proc', `${node.fake.containerd.unit.mainPid}`, 'task');
  for (const thread of readdirSync(tasks)) writeFileSync(join(tasks, thread, 'children'), '');
  const gone = await node.uninstall();
  t.notOk(gone.complete);
  t.same(difference(foreign(before), foreign(treeOf(node.root))), {});
  t.same(Object.keys(ours(treeOf(node.root))), Object.keys(ours(before)));
});
