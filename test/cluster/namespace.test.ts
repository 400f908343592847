import t, { type Test } from 'tap';
import type { Failure } from '../../protocol/problem/problem.ts';
import { readNamespace } from '../../daemon/cluster/namespace.ts';
import { bareRoot } from '../../testbed/simulated/bare-root.ts';

const at = (t: Test, etc: NonNullable<Parameters<Test['testdir']>[0]>): Promise<string> =>
  readNamespace(bareRoot(t.testdir({ etc: { 'rcm-node': etc } })).host);

t.test('without a setting the default namespace is used, otherwise that of the file', async (t) => {
  t.equal(await at(t, {}), 'rcm-node');
  t.equal(await at(t, { namespace: 'other\n' }), 'other');
});

t.test('a file without a namespace is not read as the default one', async (t) => {
  for (const namespace of ['', 'a/b', '..', 'Other', 'x'.repeat(64), {}]) {
    const failure = await at(t, { namespace }).catch((error: unknown) => error);
    t.match((failure as Failure).problem, {
      code: 'bad-settings',
      where: { file: '/etc/rcm-node/namespace' },
      hint: /does not schedule changes itself/,
    });
  }
});
