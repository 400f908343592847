import t from 'tap';
import type { RuntimeFacts } from '../../../daemon/runtimes/facts.ts';
import { configFile } from '../../../daemon/runtimes/parsed.ts';
import { partsIn } from '../../../daemon/runtimes/predecessors/parts.ts';
import { cutOut, replaceableIn } from '../../../daemon/runtimes/predecessors/replace.ts';
import type { FileFact } from '../../../host/facts.ts';
import { digestOf } from '../../../protocol/digest.ts';
import { rcm } from './written.ts';

const file = '/etc/containerd/config.toml';
const factOf = (text: string): FileFact => ({
  kind: 'regular',
  real: file,
  text,
  digest: digestOf(text),
  mode: 0o644,
  uid: 0,
  gid: 0,
});
const factsOf = (text: string, more: Partial<RuntimeFacts> = {}) =>
  ({ config: [configFile(file, factOf(text))], ...more }) as unknown as RuntimeFacts;
const head = 'version = 3\n';
const text = head + rcm('spin-v2');
const consent = (path = file) => ({
  tables: partsIn(text, configFile(file, factOf(text)).doc ?? {}).parts.map(({ handler, digest }) => ({
    file: path,
    handler,
    digest,
    from: 'x',
  })),
  unused: false,
  remnants: [],
  done: [],
});

t.test('only allowed tables may be replaced, in this file, with these bytes', async (t) => {
  t.equal(replaceableIn(factsOf(text), {}, consent()).length, 1);
  t.equal(
    replaceableIn(factsOf(`${head}# more\n${rcm('spin-v2')}`), {}, consent()).length,
    1,
    'wherever it stands',
  );
  t.strictSame(replaceableIn(factsOf(text), {}, undefined), []);
  t.strictSame(replaceableIn(factsOf(text), {}, consent('/etc/other.toml')), []);
  t.strictSame(replaceableIn(factsOf(text.replace('# RCM', '#  RCM')), {}, consent()), []);
  t.strictSame(replaceableIn(factsOf(`# DO NOT EDIT\n${text}`), {}, consent()), [], 'it comes back');
  const place = { kind: 'template', path: '/t', base: '' } as const;
  t.strictSame(replaceableIn(factsOf(text, { place }), {}, consent()), [], 'here, too');
});

t.test('the host without predecessors has the same other files', async (t) => {
  const facts = factsOf(text);
  const other = factOf('x = 1\n');
  const cut = cutOut(facts, { [file]: factOf(text), '/o': other }, replaceableIn(facts, {}, consent()));
  t.match(cut.files[file], { kind: 'regular', text: head, digest: digestOf(head) });
  t.same(cut.facts.config[0]?.doc, { version: 3 });
  t.equal(cut.files['/o'], other);
});
