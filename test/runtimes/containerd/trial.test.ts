import t from 'tap';
import { trialOf } from '../../../daemon/runtimes/containerd/trial.ts';
import type { Wiring } from '../../../daemon/runtimes/runtime.ts';
import { importsOf } from '../../../daemon/runtimes/containerd/wiring-drop-in.ts';
import type { RuntimeFacts } from '../../../daemon/runtimes/facts.ts';
import { regular, runtime } from '../../../testbed/simulated/bare-host.ts';
import { configFile } from '../../../daemon/runtimes/parsed.ts';
import { parseToml } from '../../../daemon/toml/toml.ts';

const main = '/etc/containerd/config.toml';
const drop = '/etc/containerd/conf.d/zz-rcm-node.toml';
const wiring = (text: string | null, dropIn: string | null, stale: readonly string[] = []): Wiring => ({
  files: [
    { path: main, text },
    { path: drop, text: dropIn },
  ],
  stale: stale.map((path) => ({ path, text: null })),
});
const reading = (...config: readonly string[]): RuntimeFacts => ({
  ...runtime,
  config: config.map((path) => configFile(path, regular('', path))),
});
const bare = wiring('version = 3\n', null);
/** The imports of the staged main file of `after`, with the trial's own folder shown as `~`. */
const staged = (
  text: string,
  facts: RuntimeFacts,
  dropIn: string | null = '# ours',
  stale: readonly string[] = [],
) => {
  const trial = trialOf(bare, wiring(text, dropIn, stale), facts, '/run/own');
  const folder = '/run/own/after';
  const [first] = trial.after;
  return {
    imports: importsOf(parseToml(first?.text ?? '', main), main).map((one) => one.replace(folder, '~')),
    files: trial.after.map((file) => file.path.replace(folder, '~')),
    text: first?.text,
  };
};

t.test(
  'the staged main file imports the real files, and the staged drop-in in place of the real one',
  async (t) => {
    const facts = reading(main, '/etc/containerd/conf.d/10-a.toml', drop, '/etc/containerd/conf.d/99-b.toml');
    const { imports, files } = staged('imports = ["conf.d/*.toml", "../x.toml"]\n', facts);
    t.strictSame(imports, [
      '/etc/containerd/conf.d/10-a.toml',
      '/etc/containerd/conf.d/99-b.toml',
      '~/zz-rcm-node.toml',
      '/etc/x.toml',
    ]);
    t.strictSame(files, ['~/config.toml', '~/zz-rcm-node.toml']);
  },
);

t.test('a drop-in that will be removed is not imported, even while it exists', async (t) => {
  const facts = reading(main, drop);
  t.strictSame(staged('imports = ["conf.d/*.toml"]\n', facts, null), {
    imports: [],
    files: ['~/config.toml'],
    text: 'imports = []\n',
  });
  const literal = staged(`imports = ["${drop}", "/a.toml"]\n`, facts, null);
  t.strictSame(literal.imports, ['/a.toml']);
});

t.test('a stale drop-in of ours is not imported either', async (t) => {
  const old = '/etc/containerd/site/zz-rcm-node.toml';
  const facts = reading(main, old, '/etc/containerd/site/a.toml');
  t.strictSame(staged('imports = ["site/*.toml"]\n', facts, '# ours', [old]).imports, [
    '/etc/containerd/site/a.toml',
  ]);
});

t.test('everything except the list is staged to the byte', async (t) => {
  const text = '# a\r\nimports = [\r\n  "conf.d/*.toml", # b\r\n]\r\n[x]\r\nimports = ["y"]\r\n';
  const trial = staged(text, reading(main));
  t.equal(
    trial.text?.replace(/imports = \[[^\]]*\]/, '').replace(/\r\n/g, '\n'),
    '# a\n\n[x]\nimports = ["y"]\n',
  );
  for (const same of ['version = 3\n', 'imports = []\n', 'x = 1'])
    t.equal(staged(same, reading(main)).text, same);
});

t.test('a missing main file stands for the runtime’s built-in configuration', async (t) => {
  const trial = trialOf(wiring(null, null), wiring('version = 3\n', '# ours'), runtime, '/run/own');
  t.strictSame(
    trial.before.map(({ text }) => text),
    [null],
  );
});

t.test('a trial has another name as soon as its result could differ', async (t) => {
  const facts = reading(main, '/a.toml');
  const id = trialOf(bare, wiring('a = 1', '# x'), facts, '/run/own').id;
  t.equal(trialOf(bare, wiring('a = 1', '# x'), facts, '/run/own').id, id);
  t.match(id, /^[0-9a-f]{16}$/);
  const others = [
    trialOf(bare, wiring('a = 2', '# x'), facts, '/run/own'),
    trialOf(bare, wiring('a = 1', '# y'), facts, '/run/own'),
    trialOf(wiring('b = 1', null), wiring('a = 1', '# x'), facts, '/run/own'),
    trialOf(bare, wiring('a = 1', '# x'), { ...facts, version: '2.2.0' }, '/run/own'),
    trialOf(bare, wiring('a = 1', '# x'), reading(main), '/run/own'),
    trialOf(
      bare,
      wiring('a = 1', '# x'),
      { ...facts, config: [configFile(main, regular('', 'other'))] },
      '/run/own',
    ),
  ];
  t.equal(new Set([id, ...others.map((one) => one.id)]).size, others.length + 1);
});
