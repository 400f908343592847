/** `crio config` prints names and values as they are, also where TOML needs quotes or escapes. */
import t from 'tap';
import { dumpOf } from '../../../daemon/runtimes/crio/dump.ts';
import { makeRoot, openNode, writeShim } from '../../../testbed/simulated/node.ts';

const file = '/etc/crio/crio.conf.d/50.conf';
const beside = async (t: import('tap').Test, text: string) => {
  const node = openNode(makeRoot(t), { runtime: 'crio', version: '1.36.3' });
  node.write(file, text);
  node.fake.containerd.restartByOther();
  writeShim(node, 'wasmedge');
  return node;
};
const handler = (name: string, path = '"/usr/bin/crun"'): string =>
  `[crio.runtime.runtimes.${name}]\nruntime_path = ${path}\n`;

for (const name of [
  '"a]"',
  `'a"b'`,
  '"a b"',
  `'a\\b'`,
  '"späß 🦀"',
  '""',
  '"a.b]]"',
  `'" ]#'`,
  '"a\\u0000\\rb"',
  '"\\u2028"',
])
  t.test(`our handler is served beside one with the name ${encodeURIComponent(name)}`, async (t) => {
    const node = await beside(t, handler(name));
    t.match((await node.once()).outcome, { kind: 'converged' });
    t.equal((await node.uninstall()).complete, true);
  });

t.test('our handler is served beside a path with quotes', async (t) => {
  const node = await beside(t, handler('other', `'/usr/bin/a"b\\c'`));
  t.match((await node.once()).outcome, { kind: 'converged' });
});

t.test('a name with a line break is refused with its place', async (t) => {
  const node = await beside(t, handler('"a\\nb"'));
  t.match((await node.once()).outcome, {
    kind: 'refused',
    problem: { code: 'broken-config', message: /line break/, where: { file, line: 1 } },
  });
  t.equal(node.read('/etc/crio/crio.conf.d/zz-rcm-node.conf'), undefined);
});

t.test('names of workloads have the same form', async (t) => {
  const text = `[crio]
[crio.runtime]
conmon = "/a"b\\c"
[crio.runtime.workloads.target.workload.openshift.io/management]
activation_annotation = "x"
[crio.runtime.workloads.target.workload.openshift.io/management.resources]
cpuset = "0-1"
`;
  const { rest } = dumpOf({ kind: 'dumped', text });
  t.match(rest, {
    crio: {
      runtime: {
        conmon: '/a"b\\c',
        workloads: {
          'target.workload.openshift.io/management': {
            activation_annotation: 'x',
            resources: { cpuset: '0-1' },
          },
        },
      },
    },
  });
});
