import t from 'tap';
import { ownerIn, parseConfig, whereLast, configFile, readOnce } from '../../daemon/runtimes/parsed.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import {
  generations,
  handlersIn,
  handlersRead,
  runtimesPath,
} from '../../daemon/runtimes/containerd/config.ts';
import type { FileFact } from '../../host/facts.ts';
import { regular } from '../../testbed/simulated/bare-host.ts';

const main = '/etc/containerd/config.toml';

const parsed = (files: Readonly<Record<string, string>>) =>
  parseConfig(Object.entries(files).map(([path, text]) => configFile(path, regular(text))));

t.test('unreadable files stop everything, by name; missing ones count as none', async (t) => {
  t.same(parseConfig([configFile(main, { kind: 'absent' })]), []);
  const kinds: readonly FileFact[] = [
    { kind: 'foreign', what: 'a folder' },
    { kind: 'unreadable', why: 'EIO' },
    regular('a = [\n'),
  ];
  for (const fact of kinds)
    try {
      parseConfig([configFile(main, fact)]);
      t.fail('it was read');
    } catch (error) {
      t.match(error instanceof Failure && error.problem, { code: 'broken-config', where: { file: main } });
    }
});

t.test('the owner of a handler is found in every spelling of the table', async (t) => {
  const rows = [
    '[plugins.cri.containerd.runtimes.spin]',
    '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.spin]',
    'plugins.\'io.containerd.cri.v1.runtime\'.containerd.runtimes."spin".x = 1',
    '[plugins]\n"io.containerd.cri.v1.runtime" = { containerd = { runtimes = { spin = {} } } }',
  ];
  for (const text of rows)
    t.match(ownerIn(parsed({ [main]: text }), 'spin', handlersIn), { file: main }, text);
  t.equal(
    ownerIn(parsed({ [main]: '[plugins.cri.containerd.runtimes.spin2]' }), 'spin', handlersIn),
    undefined,
  );
});

t.test('1.x has no owner for a handler below the name of a version that it does not read', async (t) => {
  const files = parsed({ [main]: 'version = 2\n[plugins.cri.containerd.runtimes.spin]\n' });
  const [old, young] = generations;
  const place = runtimesPath(2) ?? [];
  t.equal(
    ownerIn(files, 'spin', (doc) => handlersRead(doc, old, place)),
    undefined,
  );
  t.match(
    ownerIn(files, 'spin', (doc) => handlersRead(doc, young, place)),
    { file: main, line: 2 },
  );
});

t.test('a value of several files is found in the last one', async (t) => {
  const files = parsed({ [main]: 'a = 1\n', '/b.toml': '\na = 2\n', '/c.toml': 'b = 1\n' });
  t.same(whereLast(files, ['a']), { file: '/b.toml', line: 2, column: 1 });
  t.equal(whereLast(files, ['c']), undefined);
  t.equal(whereLast(files, []), undefined);
});

t.test('what was printed is read once for each time that it was printed', (t) => {
  const texts: string[] = [];
  const read = readOnce((text) => {
    texts.push(text);
    if (text === 'bad') throw new Error('it cannot be read');
    return { text };
  });
  const dump = { kind: 'dumped', text: 'one' } as const;
  t.equal(read(dump), read(dump));
  t.strictSame(texts, ['one']);
  read({ ...dump });
  t.strictSame(texts, ['one', 'one'], 'another trial is another answer, whatever it says');
  const bad = { kind: 'dumped', text: 'bad' } as const;
  for (let at = 0; at < 2; at += 1) t.throws(() => read(bad), { message: 'it cannot be read' });
  t.end();
});
