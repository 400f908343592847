import t from 'tap';
import { thrownProblem } from '../../../../testbed/failure.ts';
import { parseToml } from '../../../../daemon/toml/toml.ts';
import { type Placed, tables, targetIn } from '../../../../testbed/simulated/runtimes/placed.ts';

const original = '/usr/share/containerd/config.toml';
const copyTo = '/etc/containerd/rcm-node.toml';
const unitDropIn = '/etc/systemd/system/containerd.service.d/50-rcm-node.conf';
const place = { kind: 'override', original, copyTo, unitDropIn, variable: 'CONTAINERD_CONFIG' } as const;
const v2 = `version = 2
oom_score = -999
[plugins."io.containerd.grpc.v1.cri"]
enable_selinux = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = true
`;
const v3 = v2.replaceAll('grpc.v1.cri', 'cri.v1.runtime').replace('version = 2', 'version = 3');
const flatcar: Placed = { place, main: original, config: { [original]: v3 } };
const old: Placed = { ...flatcar, version: '1.7.23', config: { [original]: v2 } };

const textOf = (placed: Placed, path: string, ...names: readonly string[]): string =>
  targetIn(placed)
    .wire(tables(...names))
    .files.find((file) => file.path === path)?.text ?? '';
/** As it is after the unit was restarted. */
const installed = (placed: Placed, ...names: readonly string[]): Placed => ({
  ...placed,
  main: copyTo,
  config:
    placed === old
      ? { [copyTo]: textOf(placed, copyTo, ...names) }
      : { [copyTo]: textOf(placed, copyTo, ...names), ...placed.config },
  files: { ...(placed.config as Record<string, string>), [unitDropIn]: textOf(placed, unitDropIn, ...names) },
});

t.test('2.x: our main file imports the vendor’s, and the unit names ours', async (t) => {
  const { files } = targetIn(flatcar).wire(tables('spin'));
  t.strictSame(
    files.map(({ path }) => path),
    [unitDropIn, copyTo],
    'the file is written before it is named',
  );
  t.match(
    files[0]?.text,
    /\n\[Service\]\nEnvironment="CONTAINERD_CONFIG=\/etc\/containerd\/rcm-node\.toml"\n$/,
  );
  t.match(parseToml(files[1]?.text ?? '', copyTo), {
    version: 3,
    imports: [original],
    plugins: {
      'io.containerd.cri.v1.runtime': { containerd: { runtimes: Object.fromEntries(tables('spin')) } },
    },
  });
  const target = targetIn(flatcar);
  const { before, after } = target.stage(target.wire(tables('spin')), '/run/own');
  t.strictSame(
    before.map(({ text }) => text),
    [v3],
  );
  t.match(after[0]?.text, `imports = ["${original}"]`);
});

t.test('1.x: our main file is a copy with our block, and is updated with the vendor’s', async (t) => {
  const copy = textOf(old, copyTo, 'spin');
  t.match(copy, v2);
  t.match(copy, '# rcm-node begin');
  t.notMatch(copy, 'imports');
  const there = installed(old, 'spin');
  t.equal(textOf(there, copyTo, 'spin'), copy, 'settled');
  const updated = { ...there, files: { ...there.files, [original]: v2.replace('-999', '-998') } };
  t.match(textOf(updated, copyTo, 'spin'), 'oom_score = -998');
  const { before } = targetIn(updated).stage(targetIn(updated).wire(tables('spin')), '/run/own');
  t.match(before[0]?.text, 'oom_score = -998');
});

t.test(
  'after the installation nothing is to do; without handlers both files are removed, the one with the name first',
  async (t) => {
    for (const [placed, version] of [
      [flatcar, 3],
      [old, 2],
    ] as const) {
      const there = installed(placed, 'spin');
      const target = targetIn(there);
      t.strictSame(Object.keys(target.present), ['spin'], `${version}`);
      t.equal(target.isMisread(), false);
      t.equal(target.ownerOf('spin'), undefined);
      t.strictSame(target.copies, []);
      t.strictSame([...target.named], []);
      t.equal(textOf(there, unitDropIn, 'spin'), textOf(placed, unitDropIn, 'spin'));
      const bare = target.wire(new Map());
      t.strictSame(bare.files, [
        { path: unitDropIn, text: null },
        { path: copyTo, text: null },
      ]);
      const { before } = target.stage(bare, '/run/own');
      t.strictSame(
        before.map(({ text }) => text),
        Object.values(placed.config),
      );
    }
  },
);

t.test('a main file that a person configured is an ordinary main file', async (t) => {
  const own = '/etc/containerd/config.toml';
  const { files } = targetIn({ ...flatcar, main: own, config: { [own]: v3 } }).wire(tables('spin'));
  t.strictSame(
    files.map(({ path }) => path),
    [own, '/etc/containerd/conf.d/zz-rcm-node.toml'],
  );
  const taken = { ...flatcar, main: copyTo, config: { [copyTo]: v3 } };
  t.strictSame(
    targetIn(taken)
      .wire(tables('spin'))
      .files.map(({ path }) => path),
    [copyTo, '/etc/containerd/conf.d/zz-rcm-node.toml'],
  );
});

t.test('foreign files in the place of ours, and a missing vendor’s file, are refused', async (t) => {
  t.match(
    thrownProblem(() => targetIn({ ...flatcar, files: { [copyTo]: v3 } })),
    { code: 'not-ours', where: { file: copyTo } },
  );
  t.match(
    thrownProblem(() => targetIn({ ...flatcar, files: { [unitDropIn]: '[Service]\n' } })),
    { code: 'not-ours' },
  );
  const { files: _, ...there } = installed(old, 'spin');
  t.match(
    thrownProblem(() => targetIn(there).wire(tables('spin'))),
    { code: 'broken-config', where: { file: original } },
  );
  t.ok(targetIn(there).isMisread());
  t.ok(
    targetIn(there)
      .wire(new Map())
      .files.every(({ text }) => text === null),
    'ours can go',
  );
});
