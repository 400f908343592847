import t from 'tap';
import { thrownProblem } from '../../../testbed/failure.ts';
import { layoutOf, wire } from '../../../daemon/runtimes/containerd/wiring.ts';
import { withoutUs } from '../../../daemon/runtimes/containerd/wiring-bare.ts';
import {
  dropInPath,
  entriesOf,
  importsOf,
  isOurDropIn,
} from '../../../daemon/runtimes/containerd/wiring-drop-in.ts';
import { emptyLedger, type Ledger } from '../../../daemon/model/ledger.ts';
import type { RuntimeFacts } from '../../../daemon/runtimes/facts.ts';
import { parseToml } from '../../../daemon/toml/toml.ts';
import { type Generation, generationOf } from '../../../daemon/runtimes/containerd/config.ts';
import { tableAt } from '../../../daemon/toml/compare.ts';
import type { FileFact } from '../../../host/facts.ts';
import { regular, runtime } from '../../../testbed/simulated/bare-host.ts';
import { configFile, parseConfig } from '../../../daemon/runtimes/parsed.ts';

const configPath = '/etc/containerd/config.toml';
const main = configPath;
const dropIn = '/etc/containerd/conf.d/zz-rcm-node.toml';
const table = { runtime_type: '/opt/x', options: { SystemdCgroup: true } };
const tables = new Map<string, Readonly<Record<string, unknown>>>([['spin', table]]);

const generation = (version: string): Generation => {
  const found = generationOf(version);
  if (!found) throw new Error(version);
  return found;
};
const wiringOf = (
  version: string,
  text: string | null,
  more: { readonly ledger?: Ledger; readonly files?: Readonly<Record<string, FileFact>> } = {},
  wanted: typeof tables = tables,
) => {
  const fact: FileFact = text === null ? { kind: 'absent' } : regular(text);
  const files = { [configPath]: fact, ...more.files };
  const config = Object.entries(files).map(([path, one]) => configFile(path, one));
  const facts: RuntimeFacts = { ...runtime, version, config };
  const layout = layoutOf(generation(version), facts, files, more.ledger ?? emptyLedger);
  const {
    files: [main, dropIn],
    ...rest
  } = wire(layout, wanted);
  if (!main || !dropIn) throw new Error('two files are wired');
  return { main, dropIn, ...rest };
};

t.test('the drop-in is written where the main file reads it already, otherwise into conf.d', async (t) => {
  const rows: readonly (readonly [imports: string, path: string])[] = [
    ['', dropIn],
    ['imports = []', dropIn],
    ['imports = ["/etc/containerd/conf.d/*.toml"]', dropIn],
    ['imports = ["site/*.toml"]', '/etc/containerd/site/zz-rcm-node.toml'],
    ['imports = ["/a/one.toml", "/b/*.toml", "/c/*"]', '/b/zz-rcm-node.toml'],
    ['imports = ["/b/99-*.toml"]', dropIn],
    ['imports = ["/b/*/x.toml", "/b*/*.toml"]', dropIn],
    ['imports = ["/etc/containerd/conf.d/*rcm-node.toml"]', dropIn],
    ['imports = ["/elsewhere/*rcm-node.toml"]', dropIn],
  ];
  for (const [imports, path] of rows) t.equal(dropInPath(main, parseToml(imports, main)), path, imports);
  t.equal(dropInPath('/srv/x.toml', undefined), '/srv/conf.d/zz-rcm-node.toml');
});

t.test('imports are the strings of the list, and none where there is no file', async (t) => {
  t.same(importsOf(undefined, main), []);
  t.same(entriesOf(parseToml('imports = ["a", 1, "b"]', main)), ['a', 'b']);
  t.same(importsOf(parseToml('imports = "a"', main), main), []);
  t.match(
    thrownProblem(() => parseConfig([configFile(main, regular('imports = ['))])),
    { code: 'broken-config', where: { file: main } },
  );
});

t.test(
  'on 2.x a drop-in carries the version and the table of the main file’s declared version',
  async (t) => {
    const rows: readonly (readonly [version: string, text: string, declared: string, id: string])[] = [
      ['2.1.4', 'version = 3\n', 'version = 3', 'io.containerd.cri.v1.runtime'],
      ['2.1.4', 'version = 2\n', 'version = 2', 'io.containerd.grpc.v1.cri'],
      ['2.3.0', 'version = 4\n', 'version = 4', 'io.containerd.cri.v1.runtime'],
      ['2.3.0', 'version = 2\n', 'version = 2', 'io.containerd.grpc.v1.cri'],
    ];
    for (const [version, text, declared, id] of rows) {
      const wiring = wiringOf(version, text);
      const body = wiring.dropIn.text ?? '';
      t.ok(isOurDropIn(body));
      t.match(body, declared);
      t.same(tableAt(parseToml(body, 'x'), ['plugins', id, 'containerd', 'runtimes', 'spin']), table);
      t.equal(
        wiring.main.text,
        `${text}imports = ["/etc/containerd/conf.d/*rcm-node.toml"] # added by rcm-node\n`,
      );
      t.match(wiring.main.owned, { kind: 'edited', edit: { kind: 'line' } });
      t.match(wiring.dropIn.owned, { kind: 'created' });
    }
    t.notMatch(
      wiringOf('2.3.0', '# no version\n').dropIn.text,
      /^version/m,
      'none where the main file has none',
    );
  },
);

t.test('a main file that imports the drop-in already is not touched and not ours', async (t) => {
  const text = '# generated, do not edit\nversion = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n';
  const wiring = wiringOf('2.1.4', text);
  t.strictSame(wiring.main, { path: main, text });
});

t.test('a file that says it is generated is refused only if it would have to change', async (t) => {
  for (const version of ['1.7.24', '2.1.4']) {
    const text = `# File generated by x.\n# Do NOT edit.\nversion = 2\n`;
    t.match(
      thrownProblem(() => wiringOf(version, text)),
      { code: 'generated-file', where: { file: main, line: 2 } },
    );
    t.equal(
      wiringOf(version, text, {}, new Map()).main.text,
      text,
      'without handlers there is nothing to refuse',
    );
  }
});

t.test('only the comment before the first line of TOML can say that a file is generated', async (t) => {
  for (const text of [
    'version = 2\n# do not edit the line above\n',
    'version = 2 # DO NOT EDIT\n',
    '# ours\n\nversion = 2\n\n# do not edit below: managed by ansible\n[metrics]\n',
  ])
    t.match(wiringOf('1.7.24', text).main.text, '# rcm-node begin', text);
  const long = `${'# a long licence\n'.repeat(40)}\n#   do not edit, see the template\nversion = 2\n`;
  t.match(
    thrownProblem(() => wiringOf('1.7.24', long)),
    { code: 'generated-file', where: { file: main, line: 42 } },
  );
});

t.test('on 1.x the handlers are in a block, with the built-in runc where no file names one', async (t) => {
  const bare = wiringOf('1.7.24', 'version = 2\n');
  const named = wiringOf(
    '1.7.24',
    'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n',
  );
  const place = ['plugins', 'io.containerd.grpc.v1.cri', 'containerd', 'runtimes'];
  t.same(tableAt(parseToml(bare.main.text ?? '', 'x'), place), {
    runc: { runtime_type: 'io.containerd.runc.v2' },
    spin: table,
  });
  t.match(bare.beside, /built-in "runc" only where no file defines a handler/);
  t.equal(named.beside, undefined);
  t.equal(named.main.text?.match(/runtimes\.runc\]/g)?.length, 1, 'it is not named twice');
  t.equal(bare.dropIn.text, null);
  const old = wiringOf('1.7.24', '[plugins.cri]\nx = 1\n');
  t.ok(tableAt(parseToml(old.main.text ?? '', 'x'), ['plugins', 'cri', 'containerd', 'runtimes', 'spin']));
});

t.test('everything that is wired is removed again to the byte, with and without the ledger', async (t) => {
  const texts = [
    null,
    '',
    'version = 2\n',
    'version = 2',
    '# x\r\nversion = 2\r\n',
    'version = 2\nimports = []\n',
    'version = 2\nimports = [ "/a/b.toml" ] # mine\n',
    'version = 2\nimports = [\n  "/a/b.toml", # one\n]\n[metrics]\naddress = ""\n',
  ];
  for (const version of ['1.7.24', '2.1.4'])
    for (const text of texts) {
      const wiring = wiringOf(version, text);
      t.not(wiring.main.text, text);
      const { owned } = wiring.main;
      const known: Ledger = { ...emptyLedger, files: owned ? { [main]: owned } : {} };
      for (const ledger of [known, emptyLedger])
        t.equal(withoutUs(wiring.main.text ?? '', main, ledger), text, JSON.stringify(text));
      const again = wiringOf(version, wiring.main.text, { ledger: known });
      t.equal(again.main.text, wiring.main.text, 'and wired twice it is wired once');
    }
});

t.test('the ledger keeps the first edit through later ones', async (t) => {
  const ledger: Ledger = {
    ...emptyLedger,
    files: { [main]: { kind: 'created', digest: 'old', found: 'at first', edit: { kind: 'line' } } },
  };
  const first = wiringOf('2.1.4', 'version = 3\n');
  const { owned } = wiringOf('2.1.4', first.main.text, { ledger }).main;
  t.match(owned, { kind: 'created', found: 'at first', edit: { kind: 'line' } });
});

t.test('a drop-in of ours in a former folder is removed, a foreign one is not', async (t) => {
  const old = '/etc/containerd/site/zz-rcm-node.toml';
  const ours = wiringOf('2.1.4', 'version = 3\n').dropIn.text ?? '';
  const stale = (text: string) =>
    wiringOf('2.1.4', 'version = 3\n', { files: { [old]: regular(text) } }).stale;
  t.strictSame(stale(ours), [{ path: old, text: null }]);
  t.strictSame(stale('# theirs\n'), []);
});

t.test('an unknown version, and a main file that is no file, are refused by name', async (t) => {
  for (const text of ['version = 5\n', 'version = "3"\n', 'version = 2.5\n'])
    t.match(
      thrownProblem(() => wiringOf('2.1.4', text)),
      { code: 'unsupported-runtime', where: { file: main } },
      text,
    );
  const facts = { ...runtime, config: [] };
  const kinds: readonly FileFact[] = [
    { kind: 'foreign', what: 'a folder' },
    { kind: 'unreadable', why: 'EIO' },
  ];
  for (const fact of kinds)
    t.match(
      thrownProblem(() => layoutOf(generation('2.1.4'), facts, { [main]: fact }, emptyLedger)),
      { code: 'broken-config', where: { file: main } },
    );
});
