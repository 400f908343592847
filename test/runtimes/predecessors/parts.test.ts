import t from 'tap';
import { withoutParts } from '../../../daemon/runtimes/predecessors/cut.ts';
import { partsIn } from '../../../daemon/runtimes/predecessors/parts.ts';
import { appendBlock, removeBlock } from '../../../daemon/toml/splice.ts';
import { parseToml } from '../../../daemon/toml/toml.ts';
import { kwasm1, kwasm2, kwasm3, keyOf, knawd, oldRcm, rcm, spin, spinOptions } from './written.ts';

const file = '/etc/containerd/config.toml';
const find = (text: string) => partsIn(text, parseToml(text, file));
const names = (text: string): readonly string[] =>
  find(text).parts.map(({ predecessor, handler, line }) => `${predecessor.name}: ${handler} at ${line}`);
const reasons = (text: string): readonly string[] =>
  find(text).kept.map(({ handler, why }) => `${handler}: ${why}`);
const cut = (text: string, only?: (handler: string) => boolean): string =>
  withoutParts(
    text,
    find(text).parts.filter(({ handler }) => only?.(handler) ?? true),
    file,
  );

const [v2, v3] = [keyOf(2), keyOf(3)];
const head = (schema: 2 | 3): string =>
  `# a person's\nversion = ${schema}\n\n[plugins."${keyOf(schema)}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n`;
const tail = '\n[debug]\nlevel = "info"\n';
const spinner = 'the kwasm installer, or that of containerd-shim-spin';

const kwasmNames = ['lunatic', 'slight', 'spin', 'wws', 'wasmedge', 'wasmer', 'wasmtime'];

const written: readonly (readonly [what: string, before: string, text: string, found: readonly string[]])[] =
  [
    ['runtime-class-manager', head(3), rcm('spin-v2'), ['runtime-class-manager: spin-v2 at 8']],
    [
      'runtime-class-manager below the old key',
      head(2),
      rcm('spin-v2', { key: v2 }),
      ['runtime-class-manager: spin-v2 at 8'],
    ],
    [
      'runtime-class-manager with options, and no last line break',
      head(3),
      rcm('spin-v2', { options: { SystemdCgroup: 'true', Root: '"/run/x"' } }),
      ['runtime-class-manager: spin-v2 at 8'],
    ],
    [
      'two shims of it, the first one without a line break',
      head(3),
      rcm('spin-v2', { options: { SystemdCgroup: 'true' } }) + rcm('wws-v1'),
      ['runtime-class-manager: spin-v2 at 8', 'runtime-class-manager: wws-v1 at 13'],
    ],
    ['a name with a dot in it', head(3), rcm('spin.v2'), ['runtime-class-manager: spin.v2 at 8']],
    [
      'runtime-class-manager before v0.1.0',
      head(2),
      oldRcm('spin-v2'),
      ['runtime-class-manager before v0.1.0: spin-v2 at 8'],
    ],
    ['kwasm 0.1.0', head(2), kwasm1(), ['the kwasm installer: crun at 6']],
    [
      'kwasm v0.2.0',
      head(2),
      kwasm2(),
      ['crun at 6', 'spin at 11', 'wasmedge at 13', 'wws at 15'].map((one) => `the kwasm installer: ${one}`),
    ],
    ['kwasm v0.3.1', head(2), kwasm3(), kwasmNames.map((one, at) => `${spinner}: ${one} at ${7 + 2 * at}`)],
    [
      'kwasm v0.3.1 on MicroK8s',
      head(2),
      kwasm3('/var/snap/microk8s/common/kwasm'),
      kwasmNames.map((one, at) => `${spinner}: ${one} at ${7 + 2 * at}`),
    ],
    ['the installer of containerd-shim-spin', head(3), spin() + spinOptions(), [`${spinner}: spin at 7`]],
    ['the same below the old key', head(2), spin(v2) + spinOptions(v2), [`${spinner}: spin at 7`]],
    ['the same without options', head(3), spin(), [`${spinner}: spin at 7`]],
  ];

for (const [what, before, text, found] of written)
  t.test(`what ${what} wrote is found, and removed to the byte`, async (t) => {
    t.strictSame(names(before + text), found);
    t.strictSame(reasons(before + text), []);
    t.equal(cut(before + text), before, 'at the end of the file');
    // What others append after a text without a line break begins with one, or the file is no TOML.
    const isOpen = !text.endsWith('\n');
    const rest = cut(`${before}${text}${isOpen ? '\n' : ''}${tail}`);
    t.equal(rest, before + tail, 'with other text after it');
    const windows = (before + text).replaceAll('\n', '\r\n');
    t.equal(cut(windows), before.replaceAll('\n', '\r\n'), 'with the line breaks of Windows');
  });

t.test('one of several tables can be removed alone', async (t) => {
  const both = head(3) + rcm('spin-v2', { options: { SystemdCgroup: 'true' } }) + rcm('wws-v1');
  t.equal(cut(cut(both, (one) => one === 'spin-v2')), head(3));
  t.equal(
    cut(both, (one) => one === 'wws-v1'),
    `${head(3)}${rcm('spin-v2', { options: { SystemdCgroup: 'true' } })}\n`,
  );
  const kwasm = head(2) + kwasm3();
  const rest = cut(kwasm, (one) => one === 'spin');
  t.notMatch(rest, 'containerd-shim-spin');
  t.equal(rest.split('\n').length, kwasm.split('\n').length - 2, 'two lines are gone');
  t.equal(cut(rest), head(2), 'and then the others');
  t.equal(cut(cut(kwasm, (one) => one === 'lunatic')), head(2));
});

t.test('in any order of removal, nothing is left of several installers', async (t) => {
  const wholes = [
    kwasm3() + rcm('spin-v2', { key: v2 }),
    rcm('spin-v2', { key: v2 }) + kwasm3(),
    kwasm2() + rcm('spin-v2', { key: v2 }) + rcm('wws-v1', { key: v2 }),
  ];
  for (const whole of wholes)
    for (const first of [
      'lunatic',
      'spin',
      'wasmtime',
      'crun',
      'spin-v2',
      'wasmtime spin-v2',
      'lunatic spin-v2',
    ])
      for (const end of ['', '# rcm-node begin\n[x]\n# rcm-node end\n']) {
        const text = head(2) + whole + (end === '' || whole.endsWith('\n') ? '' : '\n') + end;
        const rest = cut(text, (handler) => first.split(' ').includes(handler));
        t.equal(cut(rest), head(2) + end, `${first}, then the rest`);
      }
});

t.test(
  'the line break before our block belongs to others again when the text without one is removed',
  async (t) => {
    for (const lineBreak of ['\n', '\r\n']) {
      const before = head(2).replaceAll('\n', lineBreak);
      const text = (before + rcm('a-v1', { key: v2, options: { A: 'true' } })).replaceAll(
        /\r?\n/g,
        lineBreak,
      );
      const ours = appendBlock(text, '[x]\n', file).text;
      t.match(ours, 'no newline before');
      t.equal(removeBlock(cut(ours), file), before);
      t.equal(removeBlock(ours, file), text);
      t.equal(removeBlock(`${cut(ours)}# more${lineBreak}`, file), `${before}# more${lineBreak}`);
    }
  },
);

t.test("the table of knawd's deployer is found in the file that it rewrote", async (t) => {
  const before = `version = 2\n\n[plugins]\n\n  [plugins."${v2}"]\n\n    [plugins."${v2}".containerd]\n\n      [plugins."${v2}".containerd.runtimes]\n`;
  const after = `\n        [plugins."${v2}".containerd.runtimes.runc]\n          runtime_type = "io.containerd.runc.v2"\n`;
  t.strictSame(names(before + knawd() + after), ["knawd's deployer: crun at 11"]);
  t.equal(cut(before + knawd() + after).replace('\n\n\n', '\n\n'), before + after);
});

t.test("the table of knawd's deployer for CRI-O is named, and never removed", async (t) => {
  const table =
    '\n[crio.runtime.runtimes.crun]\nruntime_type = "oci"\nruntime_path = "/usr/local/sbin/crun"\nruntime_root = "/run/crun"\n';
  t.strictSame(names(table), []);
  t.match(find(table).kept, [{ handler: 'crun', line: 2, why: /default handler/ }]);
  t.strictSame(find(table.replace('local/', '')).kept, []);
});

t.test('a block is found without its comment, its record and its program', async (t) => {
  const text = head(3) + rcm('spin-v2').replace(/# .*\n/, '');
  t.strictSame(names(text), ['runtime-class-manager: spin-v2 at 7']);
  t.equal(cut(text), head(3));
});

t.test('a table that a person changed is left, with the reason', async (t) => {
  const left = (text: string, ...why: string[]): void => {
    t.strictSame(names(text), [], text);
    t.strictSame(reasons(text), why);
  };
  const table = `plugins."${v3}".containerd.runtimes`;
  const block = rcm('spin-v2');
  left(`${head(3)}${block}snapshotter = "x"\n`, 'spin-v2: it has "snapshotter"');
  left(`${head(3)}${block}"a secret key" = 1\n`, 'spin-v2: it has a key');
  left(head(3) + block.replace('v2]\n', 'v2] # mine\n'), 'spin-v2: there is a comment in it');
  left(head(3) + block.replace('v2"\n', 'v2" # mine ]\n'), 'spin-v2: there is a comment in it');
  left(head(3) + block.replace('v2]\n', 'v2]\n# mine\n'), 'spin-v2: there is a comment in it');
  left(
    `${head(3)}${block}${tail}[${table}.spin-v2.options]\nRoot = "/x"\n`,
    'spin-v2: a part of it stands apart',
  );
  left(
    head(3) + block.replace('runtimes.spin-v2]', 'runtimes.mine]'),
    'mine: the handler has another name than the shim',
  );
  left(head(3) + spin() + spinOptions().replace('true', 'false'), 'spin: its options are others');
  left(
    `version = 3\n[${table}]\nspin-v2 = { runtime_type = "/opt/rcm/bin/containerd-shim-spin-v2" }\n`,
    'spin-v2: it is not written as a table of its own',
  );
  left(head(2) + kwasm1().replace('"run.oci.handler"', '"x"'), 'crun: its settings are others');
  left(head(2) + knawd().replace('"*.wasm.*", ', ''), 'crun: its settings are others');
  left(
    `${head(2)}${kwasm2(['spin'])}snapshotter = "x"\n`.replace(kwasm1(), ''),
    'spin: it has "snapshotter"',
  );
});

t.test('a table that names no program of a predecessor is not found', async (t) => {
  for (const text of [
    head(3),
    head(3) + rcm('spin-v2').replace('/opt/rcm', '/usr/local'),
    // k3s finds shims by itself: then only the options are of the installer.
    head(3) + spinOptions(),
    head(2) + knawd().replace('/usr/local/sbin', '/usr/bin'),
    head(3) + rcm('spin-v2').replace('/bin/', '/bin/../../x/'),
  ])
    t.strictSame(find(text), { parts: [], kept: [] }, text);
});

t.test('shims without a path belong to the installer only by a link', async (t) => {
  const [, named] = find(head(2) + kwasm2()).parts;
  t.equal(named?.program, 'containerd-shim-spin-v1');
  t.strictSame(
    named?.predecessor.links?.(named.program),
    ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].map(
      (folder) => `${folder}/containerd-shim-spin-v1`,
    ),
    'in the order in which they are looked for',
  );
  const [withPath] = find(head(3) + rcm('spin-v2')).parts;
  t.equal(withPath?.predecessor.links, undefined);
});

t.test('the digest of a part covers its bytes, and not its place', async (t) => {
  const digest = (text: string): string | undefined => find(text).parts[0]?.digest;
  const options = { options: { SystemdCgroup: 'true' } };
  t.equal(digest(head(3) + rcm('spin-v2', options)), digest(`${head(3)}${tail}${rcm('spin-v2', options)}\n`));
  t.not(digest(head(3) + rcm('spin-v2', options)), digest(head(3) + rcm('spin-v2')));
  // Options that the installer of containerd-shim-spin added to a table of kwasm's.
  const apart = head(2) + kwasm3() + spinOptions(v2);
  const of = (text: string): string | undefined =>
    find(text).parts.find(({ handler }) => handler === 'spin')?.digest;
  t.equal(of(cut(apart, (one) => one !== 'spin')), of(apart), 'nor whether others stand between');
});
