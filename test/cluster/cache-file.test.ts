import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CacheFile } from '../../daemon/cluster/cache-file.ts';
import { type ClusterCache, parseClusterCache } from '../../daemon/model/cluster-cache.ts';
import { sweep } from '../../daemon/reconcile/leftovers.ts';
import { bareRoot } from '../../testbed/simulated/bare-root.ts';

const shims = [{ metadata: { name: 'spin' }, spec: {} }];
const approvals = { alone: { spin: { revision: 'r1', at: '2027-01-15T08:00:00.000Z' } } };

const setUp = (t: Test) => {
  const root = t.testdir({});
  const { host, lines } = bareRoot(root);
  const seen = { changes: 0 };
  const changed = (): void => void seen.changes++;
  const folder = join(root, 'var/lib/rcm-node');
  const path = join(folder, 'cluster.json');
  const read = (): ClusterCache => parseClusterCache(readFileSync(path, 'utf8'), path);
  const make = (): CacheFile => new CacheFile(host, changed);
  return { host, lines, seen, folder, read, make, file: make() };
};

t.test('the file has the parts of both writers, whichever wrote last', async (t) => {
  const { file, read, seen, make, folder } = setUp(t);
  file.setApprovals(approvals);
  await file.write((last) => last);
  t.notOk(existsSync(folder), 'nothing is known yet of what is asked for');
  await file.write(() => ({ node: 'n', shims }));
  t.same(read(), { version: 1, node: 'n', shims, approvals });
  file.setApprovals(undefined);
  await Promise.all([file.write((last) => last), file.write((last) => last && { ...last, away: true })]);
  t.same(read(), { version: 1, node: 'n', shims, away: true });
  t.equal(seen.changes, 3);
  await file.write((last) => last);
  t.equal(seen.changes, 3, 'what is the same is not written');
  const next = make();
  t.same(await next.restore(), read());
  t.equal(await next.restore(), undefined, 'once');
  t.same(next.asked(), ['spin']);
});

t.test('recorded approvals stay when the Shims are written after a start', async (t) => {
  const { file, read, make } = setUp(t);
  file.setApprovals(approvals);
  await file.write(() => ({ node: 'n', shims }));
  const next = make();
  await next.restore();
  await next.write((last) => last && { ...last, shims: [] });
  t.same(read(), { version: 1, node: 'n', shims: [], approvals });
});

t.test('what another release wrote is not written again for its name', async (t) => {
  const { file, folder, make, seen } = setUp(t);
  await file.write(() => ({ node: 'n', shims }));
  const path = join(folder, 'cluster.json');
  const former = readFileSync(path, 'utf8').replace(/"agent": "[^"]*"/, '"agent": "0.0.1"');
  writeFileSync(path, former, { mode: 0o600 });
  const next = make();
  await next.restore();
  await next.write((last) => last);
  t.equal(readFileSync(path, 'utf8'), former);
  t.equal(seen.changes, 1);
});

t.test('a tick removes no temporary file of it; the next start does', async (t) => {
  const { host, folder, make } = setUp(t);
  const name = '.rcm-node-0123456789ab';
  mkdirSync(join(folder, '.cluster'), { recursive: true });
  for (const path of [name, `.cluster/${name}`, '.cluster/of-others']) writeFileSync(join(folder, path), '');
  await sweep(host, undefined);
  t.same(readdirSync(folder), ['.cluster']);
  t.same(readdirSync(join(folder, '.cluster')).sort(), [name, 'of-others']);
  await make().restore();
  t.same(readdirSync(join(folder, '.cluster')), ['of-others']);
});

t.test('its temporary file is in a folder that no tick cleans', async (t) => {
  const { host } = setUp(t);
  const put: unknown[] = [];
  const files = { ...host.files, put: async (...given: unknown[]) => void put.push(given) };
  await new CacheFile({ ...host, files }, () => undefined).write(() => ({ node: 'n', shims }));
  t.match(put, [['/var/lib/rcm-node/cluster.json', String, 0o600, '/var/lib/rcm-node/.cluster']]);
});
