import t from 'tap';
import { thrownProblem } from '../../../../testbed/failure.ts';
import { digestOf } from '../../../../protocol/digest.ts';
import { handler } from '../../../../testbed/simulated/bare-host.ts';
import type { Handler } from '../../../../daemon/model/desired.ts';
import { emptyLedger, type Ledger } from '../../../../daemon/model/ledger.ts';
import { parseToml } from '../../../../daemon/toml/toml.ts';
import {
  etc,
  k3sMain,
  k3sText,
  ourTable,
  type Placed,
  tables,
  targetIn,
} from '../../../../testbed/simulated/runtimes/placed.ts';

const path = `${etc}/config-v3.toml.tmpl`;
const base = '{{ template "base" . }}\n';
const k3s: Placed = {
  place: { kind: 'template', path, base },
  main: k3sMain,
  config: { [k3sMain]: k3sText() },
};
const theirs = '{{ template "base" . }}\n\n[debug]\n  level = "{{ .NodeConfig.Level }}"';

/** We wrote it, and nothing has rendered it yet. */
const byUs = (text: string): Placed => ({
  ...k3s,
  files: { [path]: text },
  facts: { unrendered: path },
  ledger: { ...emptyLedger, files: { [path]: { kind: 'edited', digest: digestOf(text) } } },
});
const textOf = (placed: Placed, ...names: readonly string[]): string =>
  targetIn(placed).wire(tables(...names)).files[0]?.text ?? '';
const bareOf = (placed: Placed): string | null | undefined => targetIn(placed).wire(new Map()).files[0]?.text;

t.test('a new template is the base, our header, and our block; without handlers it is removed', async (t) => {
  const text = textOf(k3s, 'spin');
  t.ok(text.startsWith(`${base}# Written by rcm-node`));
  t.match(text, /# rcm-node begin\n\[plugins\."io\.containerd\.cri\.v1\.runtime"[\s\S]*# rcm-node end\n$/);
  const installed = byUs(text);
  t.equal(bareOf(installed), null);
  t.equal(textOf(installed, 'spin'), text, 'wired twice it is wired once');
  t.match(textOf(installed, 'spin', 'wasmedge'), /runtimes\.spin\][\s\S]*runtimes\.wasmedge\]/);
  t.strictSame(Object.keys(targetIn(installed).present), ['spin']);
});

t.test('a template of a person stays unchanged around our block, to the byte', async (t) => {
  for (const own of [theirs, `${theirs}\n`, theirs.replaceAll('\n', '\r\n'), '']) {
    const placed = { ...k3s, files: { [path]: own } };
    const text = textOf(placed, 'spin');
    t.ok(text.startsWith(own));
    const installed = byUs(text);
    t.equal(bareOf(installed), own);
    t.equal(bareOf({ ...k3s, files: { [path]: textOf(installed, 'a', 'b') } }), own);
    t.equal(bareOf({ ...k3s, files: { [path]: `${text}[later]\n` } })?.endsWith('[later]\n'), true);
  }
});

t.test('the trial reads the last rendering without us, and with our block behind it', async (t) => {
  for (const config of [k3sText(), k3sText(ourTable('spin')), k3sText(ourTable('gone'))]) {
    const target = targetIn({ ...k3s, config: { [k3sMain]: config } });
    const { before, after } = target.stage(target.wire(tables('spin')), '/run/own');
    t.equal(before[0]?.text?.includes('rcm-node'), false);
    t.match(after[0]?.text, '# rcm-node begin');
    t.equal(after[0]?.text?.split('/opt/rcm-node/shims').length, 2, 'our table is there once');
    t.strictSame(target.copies, []);
    t.strictSame([...target.named], []);
  }
});

t.test(
  'a template action that trims a line break joins a marker with the line before or after it',
  async (t) => {
    const block = (text: string): string => text.slice(text.indexOf('# rcm-node begin'));
    const text = textOf(k3s, 'spin');
    for (const rendered of [
      `${k3sText().trimEnd()}${block(text)}`,
      `${k3sText()}${block(text).trimEnd()}# more\n[debug]\nlevel = "info"\n`,
    ]) {
      const placed = { ...k3s, config: { [k3sMain]: rendered }, files: { [path]: text } };
      const target = targetIn(placed);
      t.strictSame(Object.keys(target.present), ['spin']);
      t.equal(target.isMisread(), false);
      t.equal(bareOf(placed), null, 'it can be uninstalled');
      const { before, after } = target.stage(target.wire(tables('spin', 'more')), '/run/own');
      t.notMatch(before[0]?.text, '/opt/rcm-node');
      t.equal(after[0]?.text?.split('/opt/rcm-node/shims').length, 3, 'each table of ours is there once');
    }
  },
);

t.test('a block that was not rendered is refused, since a restart would change nothing', async (t) => {
  const text = textOf({ ...k3s, files: { [path]: `${theirs}\n` } }, 'spin');
  const hidden = text.replace('# rcm-node begin', '{{/*\n# rcm-node begin').concat('*/}}\n');
  const placed = { ...k3s, files: { [path]: hidden } };
  t.match(
    thrownProblem(() => targetIn(placed).wire(tables('spin'))),
    { code: 'cannot-splice', where: { file: path, line: 6 } },
  );
  t.ok(textOf(byUs(hidden), 'spin'), 'before that it is not known');
  t.ok(textOf({ ...placed, config: { [k3sMain]: k3sText(ourTable('spin')) } }, 'spin'));
  t.notMatch(bareOf(placed), 'rcm-node', 'it can be uninstalled');
});

t.test('no template engine changes our block', async (t) => {
  const odd = new Map([
    ['spin', { runtime_type: '/opt/x', options: { a: '{{ .Password }}', b: `\${SNAP}{{{` } }],
  ]);
  const text = targetIn(k3s).wire(odd).files[0]?.text ?? '';
  t.notMatch(text.slice(base.length), /\{\{|\$\{/);
  const doc = parseToml(text.slice(base.length), path);
  t.match(doc, {
    plugins: { 'io.containerd.cri.v1.runtime': { containerd: { runtimes: Object.fromEntries(odd) } } },
  });
});

t.test(
  'a template that changed after the last rendering is refused, unless the change is ours',
  async (t) => {
    const facts = { unrendered: path };
    const changed = { ...k3s, facts, files: { [path]: theirs } };
    t.match(
      thrownProblem(() => targetIn(changed).wire(tables('spin'))),
      { code: 'unrendered-template', where: { file: path } },
    );
    t.equal(bareOf(changed), theirs, 'nothing is refused where nothing is written');
    const text = textOf({ ...k3s, files: { [path]: theirs } }, 'spin');
    const ledger: Ledger = {
      ...emptyLedger,
      files: { [path]: { kind: 'edited', digest: digestOf(text), found: digestOf(theirs) } },
    };
    t.ok(textOf({ ...changed, ledger, files: { [path]: text } }, 'spin', 'more'), 'written by us');
    t.ok(textOf({ ...changed, ledger }, 'spin'), 'our block alone was taken out');
    const rival = `${etc}/config.toml.tmpl`;
    const other = { ...changed, ledger, facts: { unrendered: rival } };
    t.match(
      thrownProblem(() => textOf(other, 'spin')),
      { code: 'unrendered-template', where: { file: rival } },
    );
  },
);

t.test('a table that the rendering has already is refused before it is there twice', async (t) => {
  const detected = `[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'spin']\nruntime_type = "io.containerd.spin.v2"\n`;
  const target = targetIn({ ...k3s, config: { [k3sMain]: k3sText(detected) } });
  t.match(target.ownerOf('spin'), { file: k3sMain });
  t.match(
    thrownProblem(() => target.wire(tables('spin'))),
    { code: 'cannot-splice' },
  );
});

t.test('a table of ours outside of our block, and damaged markers, are refused', async (t) => {
  const pasted = `${theirs}\n${ourTable('spin')}`;
  t.match(
    thrownProblem(() => targetIn({ ...k3s, files: { [path]: pasted } })),
    { code: 'cannot-splice', where: { file: path, line: 7 } },
  );
  const half = `${theirs}\n# rcm-node begin\n`;
  t.match(
    thrownProblem(() => targetIn({ ...k3s, files: { [path]: half } })),
    { code: 'cannot-splice', where: { line: 5 } },
  );
});

t.test('a rendering that is invalid because of our block is repaired; another fault is not', async (t) => {
  const text = textOf(k3s, 'spin');
  const detected = `[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'spin']\nruntime_type = "io.containerd.spin.v2"\n`;
  const twice = `${k3sText(detected)}${text.slice(text.indexOf('# rcm-node begin'))}`;
  const target = targetIn({ ...k3s, config: { [k3sMain]: twice }, files: { [path]: text } });
  t.equal(target.isMisread(), true);
  t.strictSame(Object.keys(target.present), ['spin']);
  t.strictSame(target.wire(new Map()).files, [{ path, text: null }]);
  t.match(
    thrownProblem(() => targetIn({ ...k3s, config: { [k3sMain]: `x = \n${twice}` } })),
    { code: 'broken-config' },
  );
});

t.test('a template that is rendered to another version is not created', async (t) => {
  const old = { ...k3s, place: { kind: 'template', path: `${etc}/config.toml.tmpl`, base } } as const;
  t.match(
    thrownProblem(() => targetIn(old).wire(tables('spin'))),
    { code: 'version-mix' },
  );
  const v2 = k3sText().replace('version = 3', 'version = 2').replace('cri.v1.runtime', 'grpc.v1.cri');
  t.match(
    textOf({ ...old, version: '1.7.24', config: { [k3sMain]: v2 } }, 'spin'),
    /io\.containerd\.grpc\.v1\.cri/,
  );
});

t.test('a template that is a copy of a rendered file is used, and reported as that', async (t) => {
  const copy = `${k3sText()}[grpc]\naddress = "/run/k3s/containerd/containerd.sock"\n`;
  const target = targetIn({ ...k3s, files: { [path]: copy } });
  t.strictSame(targetIn({ ...k3s, files: { [path]: '[debug]\nlevel = "info"\n' } }).notes, []);
  t.match(target.notes, [{ code: 'frozen-template', where: { file: path } }]);
  t.strictSame(targetIn({ ...k3s, files: { [path]: theirs } }).notes, []);
});

t.test('MicroK8s: the template must be there, and needs no base', async (t) => {
  const main = '/var/snap/microk8s/current/args/containerd.toml';
  const template = '/var/snap/microk8s/current/args/containerd-template.toml';
  const text = `version = 2\n[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "x"\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\nruntime_type = "\${RUNTIME_TYPE}"\n`;
  const placed: Placed = {
    place: { kind: 'template', path: template, base: '' },
    main,
    version: '1.6.28',
    config: { [main]: text.replace(`\${RUNTIME_TYPE}`, 'io.containerd.runc.v2') },
  };
  t.match(
    thrownProblem(() => targetIn(placed)),
    { code: 'generated-file', where: { file: template } },
  );
  const there = { ...placed, files: { [template]: text } };
  t.ok(textOf(there, 'spin').startsWith(`${text}# rcm-node begin\n[plugins.`));
  t.strictSame(targetIn(there).notes, []);
});

t.test('a handler with an option whose name an engine would change is refused alone', async (t) => {
  const { refusalOf } = targetIn(k3s);
  const named = (options: Handler['options']) => refusalOf?.({ ...handler, options });
  t.match(named({ 'c{{': 1 }), { code: 'unsupported-handler', handler: 'spin' });
  t.match(named({ 'a${': 1 }), { code: 'unsupported-handler' });
  t.equal(named({ '{a': '{{ x }}', $c: 1 }), undefined);
});
