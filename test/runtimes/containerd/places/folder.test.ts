import t from 'tap';
import { thrownProblem } from '../../../../testbed/failure.ts';
import {
  etc,
  k3sMain,
  k3sText,
  ourTable,
  type Placed,
  tables,
  targetIn,
} from '../../../../testbed/simulated/runtimes/placed.ts';

const folder = `${etc}/config-v3.toml.d`;
const drop = `${folder}/zz-rcm-node.toml`;
const imports = `imports = ["${folder}/*.toml"]\n`;
const k3s: Placed = {
  place: { kind: 'folder', folder, readBy: 'runtime' },
  main: k3sMain,
  config: { [k3sMain]: k3sText('', imports) },
};

const k0sMain = '/etc/k0s/containerd.toml';
const merged = '/run/k0s/containerd-cri.toml';
const k0sDrop = '/etc/k0s/containerd.d/zz-rcm-node.toml';
const cri = `version = 3\n[plugins.'io.containerd.cri.v1.runtime']\n`;
const k0s: Placed = {
  place: { kind: 'folder', folder: '/etc/k0s/containerd.d', readBy: 'distribution' },
  main: k0sMain,
  config: { [k0sMain]: `# k0s_managed=true\nimports = ['${merged}']\nversion = 3\n`, [merged]: cri },
};

t.test('k3s: the one file is the drop-in, and the generated main file is not written', async (t) => {
  const target = targetIn(k3s);
  const { files, stale } = target.wire(tables('spin'));
  t.strictSame(
    files.map(({ path }) => path),
    [drop],
  );
  t.match(
    files[0]?.text,
    /^# Written by rcm-node.*\nversion = 3\n\n\[plugins\."io\.containerd\.cri\.v1\.runtime"\.containerd\.runtimes\.spin\]/,
  );
  t.match(files[0]?.owned, { kind: 'created' });
  t.strictSame(stale, []);
  t.strictSame(target.wire(new Map()).files, [{ path: drop, text: null }]);
  t.strictSame(target.paths, [drop]);
});

t.test('k3s: the trial reads the main file as it is, with the staged drop-in', async (t) => {
  const target = targetIn(k3s);
  const { before, after } = target.stage(target.wire(tables('spin')), '/run/own');
  t.strictSame(
    before.map(({ path }) => path),
    ['/run/own/before/config.toml'],
  );
  t.match(before[0]?.text, /^imports = \[\]$/m);
  t.match(after[0]?.text, /^imports = \["\/run\/own\/after\/zz-rcm-node\.toml"\]$/m);
});

t.test('k3s: our tables from an earlier template are ours, and no foreign copy', async (t) => {
  const target = targetIn({ ...k3s, config: { [k3sMain]: k3sText(ourTable('spin'), imports) } });
  t.strictSame(target.copies, []);
  t.strictSame([...target.named], []);
  t.equal(target.ownerOf('spin'), undefined);
  t.strictSame(Object.keys(target.present), ['spin']);
  const { after } = target.stage(target.wire(tables('spin')), '/run/own');
  t.notMatch(after[0]?.text, 'rcm-node/shims', 'the trial reads it without them');
});

t.test('k3s: a shim that k3s detected with our name has another owner', async (t) => {
  const detected = `[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'spin']\nruntime_type = "io.containerd.spin.v2"\n`;
  const target = targetIn({ ...k3s, config: { [k3sMain]: k3sText(detected, imports) } });
  t.match(target.ownerOf('spin'), { file: k3sMain, line: 8 });
  t.match(target.hintOfOwner?.('spin'), 'containerd-shim-spin-v2 in the PATH');
  t.equal(target.hintOfOwner?.('none'), undefined);
});

t.test(
  'k3s: refused are a folder that nothing imports, containerd 1.x, and a main file that is not there',
  async (t) => {
    t.match(
      thrownProblem(() => targetIn({ ...k3s, config: { [k3sMain]: k3sText() } })),
      { code: 'generated-file', message: /does not import/ },
    );
    t.match(
      thrownProblem(() => targetIn({ ...k3s, version: '1.7.24' })),
      { code: 'unsupported-runtime' },
    );
    t.match(
      thrownProblem(() => targetIn({ ...k3s, config: { [k3sMain]: null } })),
      { code: 'no-runtime', where: { file: k3sMain } },
    );
    t.match(
      thrownProblem(() => targetIn({ ...k3s, config: { [k3sMain]: 'a = ' } })),
      { code: 'broken-config' },
    );
    t.match(
      thrownProblem(() => targetIn({ ...k3s, config: { ...k3s.config, [drop]: '# theirs\n' } })),
      { code: 'not-ours' },
    );
  },
);

t.test('k0s: the trial imports the drop-in after the merged file', async (t) => {
  const target = targetIn(k0s);
  const wiring = target.wire(tables('spin'));
  t.strictSame(
    wiring.files.map(({ path }) => path),
    [k0sDrop],
  );
  const { before, after } = target.stage(wiring, '/run/own');
  t.match(before[0]?.text, `imports = ["${merged}"]`);
  t.match(after[0]?.text, `imports = ["${merged}", "/run/own/after/zz-rcm-node.toml"]`);
  t.strictSame(
    after.map(({ path }) => path.replace('/run/own/after/', '')),
    ['config.toml', 'zz-rcm-node.toml'],
  );
});

t.test(
  'k0s: its merged copy of our part is ours, and the trial reads the merged file without it',
  async (t) => {
    const text = targetIn(k0s).wire(tables('spin')).files[0]?.text ?? '';
    const target = targetIn({
      ...k0s,
      config: { ...k0s.config, [merged]: cri + ourTable('spin') },
      files: { [k0sDrop]: text },
    });
    t.strictSame(target.copies, []);
    t.strictSame([...target.named], []);
    t.strictSame(target.defined, ['runc']);
    t.strictSame(Object.keys(target.present), ['spin']);
    t.equal(target.isMisread(), false);
    const { before, after } = target.stage(target.wire(tables('spin')), '/run/own');
    for (const staged of [before, after]) {
      const changed = staged.find(({ path }) => path.endsWith('-containerd-cri.toml'));
      t.equal(changed?.text, `${cri}\n`.replace(/\n\n$/, '\n'), 'the merged file without us');
      t.match(staged[0]?.text, changed?.path);
    }
  },
);

t.test('k0s: a newer one imports the folder itself, and is read as k3s is', async (t) => {
  const target = targetIn({
    ...k0s,
    config: { [k0sMain]: '# k0s_managed=true\nimports = ["/etc/k0s/containerd.d/*.toml"]\nversion = 3\n' },
  });
  const { after } = target.stage(target.wire(tables('spin')), '/run/own');
  t.match(after[0]?.text, /^imports = \["\/run\/own\/after\/zz-rcm-node\.toml"\]$/m);
});

t.test('k0s: refused are a file that it does not manage, and another version', async (t) => {
  const mine = { ...k0s.config, [k0sMain]: `version = 3\nimports = ['${merged}']\n` };
  t.match(
    thrownProblem(() => targetIn({ ...k0s, config: mine })),
    { code: 'generated-file', where: { file: k0sMain, line: 1 }, hint: /k0s_managed=true/ },
  );
  const old = { [k0sMain]: '# k0s_managed=true\nversion = 2\n' };
  t.match(
    thrownProblem(() => targetIn({ ...k0s, config: old })),
    { code: 'unsupported-runtime' },
  );
});

t.test('a drop-in of another version, or with another table, is not read as ours', async (t) => {
  const text = targetIn(k3s).wire(tables('spin')).files[0]?.text ?? '';
  const isMisread = (drop_: string) => targetIn({ ...k3s, files: { [drop]: drop_ } }).isMisread();
  t.equal(isMisread(text), false);
  t.equal(isMisread(text.replace('version = 3', 'version = 2')), true);
  t.equal(isMisread(text.replace('io.containerd.cri.v1.runtime', 'io.containerd.grpc.v1.cri')), true);
});
