import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { makeSharedValues } from '../../../controller/observe/shared-values.ts';
import { nodeFacts } from '../../../controller/model/node-facts.ts';
import { wholeNode } from '../../../bench/fleet/whole-node.ts';

const revision = '0123456789abcdef0123456789abcdef';
/** As it comes over the wire: each with strings of its own. */
const factsOf = (name: string, at: number) =>
  nodeFacts(JSON.parse(JSON.stringify(wholeNode(name, at, { shim: 'spin', revision }))));

const from = (path: string): string => JSON.stringify(join(import.meta.dirname, '../../..', path));

/** What a program prints that looks at its heap with `used()`. A process of its own: what other tests leave behind would be counted with it. */
const measured = (source: string): string => {
  const tools = `
    import { nodeFacts } from ${from('controller/model/node-facts.ts')};
    import { makeSharedValues } from ${from('controller/observe/shared-values.ts')};
    const used = () => {
      for (const _ of [1, 2]) gc();
      return process.memoryUsage().heapUsed;
    };`;
  const argv = ['--expose-gc', '--input-type=module', '-e', `${tools}${source}`];
  return execFileSync(process.execPath, argv, { encoding: 'utf8' });
};

t.test('nothing that is known of a Node is another by it', async (t) => {
  const shared = makeSharedValues();
  for (let at = 0; at < 5_000; at++) {
    const facts = factsOf(`node-${at}`, at);
    if (JSON.stringify(shared.node(facts)) !== JSON.stringify(facts)) t.fail(`node-${at} is another one`);
  }
  const bare = nodeFacts({ metadata: { name: 'bare' } });
  t.strictSame(shared.node(bare), bare);
});

t.test('what the facts of a Node were made of stays as it was', async (t) => {
  const facts = factsOf('a', 0);
  const before = structuredClone(facts);
  const shared = makeSharedValues();
  shared.node(factsOf('b', 3));
  shared.node(facts);
  t.strictSame(facts, before);
});

t.test('Nodes with the same report share it, and two equal handlers of one Node stay two', async (t) => {
  const shared = makeSharedValues();
  const entry = { s: 'served', n: 'spin', r: revision };
  const status = JSON.stringify({ v: 1, shims: { spin: entry, 'spin-old': entry } });
  const [one, other] = ['a', 'b'].map((name) =>
    shared.node(nodeFacts({ metadata: { name, annotations: { 'rcm.spinkube.dev/status': status } } })),
  );
  t.equal(one?.detail, other?.detail);
  // Which of them a Shim asks for, and which is left of it, is told by identity: decide/rollout/node-standing.ts.
  t.not(one?.detail?.shims.spin, one?.detail?.shims['spin-old']);
});

t.test(
  'a Node that changes its report all the time has nothing collect of what it said before',
  async (t) => {
    // Its owner can write lists of up to a megabyte, and a status of 16 kB.
    const source = `
    const saying = (at, handlers, shims) => {
      const name = (one) => 'h-' + at + '-' + one + '-' + 'x'.repeat(90);
      const runtimeHandlers = Array.from({ length: handlers }, (_, one) => ({ name: name(one) }));
      const entries = Array.from({ length: shims }, (_, one) => [name(one), { s: 'served' }]);
      const status = JSON.stringify({ v: 1, shims: Object.fromEntries(entries) });
      const annotations = { 'rcm.spinkube.dev/status': status };
      return nodeFacts({ metadata: { name: 'evil', annotations }, status: { runtimeHandlers } });
    };
    const shared = makeSharedValues();
    const before = used();
    for (let at = 0; at < 100; at++) shared.node(saying(at, 2000, 0));
    const lists = used() - before;
    for (let at = 0; at < 1200; at++) shared.node(saying(at, 0, 120));
    console.log(JSON.stringify({ lists, reports: used() - before }));
    // Still in use, so that it is not collected before it is measured.
    shared.node(saying(0, 0, 0));`;
    const { lists, reports } = JSON.parse(measured(source)) as {
      readonly lists: number;
      readonly reports: number;
    };
    t.comment(`${(lists / 1e6).toFixed(1)} MB of lists, ${(reports / 1e6).toFixed(1)} MB with reports`);
    t.ok(lists < 10_000_000, `${lists} bytes`);
    t.ok(reports < 20_000_000, `${reports} bytes`);
  },
);

/**
 * Bytes that stay on the heap for each of some thousand Nodes, in a process of its own: what other tests leave behind would be
 * counted with it.
 */
t.test('a Node of 13 kB takes less than 600 bytes', async (t) => {
  const source = `
    import { wholeNode } from ${from('bench/fleet/whole-node.ts')};
    const say = { shim: 'spin', revision: ${JSON.stringify(revision)} };
    const text = (at) => JSON.stringify(wholeNode('ip-10-0-' + at + '.eu-central-1.compute.internal', at, say));
    const keep = (shared, at) => shared.node(nodeFacts(JSON.parse(text(at))));
    for (let at = 0; at < 500; at++) keep(makeSharedValues(), at);
    const shared = makeSharedValues();
    const before = used();
    const kept = Array.from({ length: 4000 }, (_, at) => keep(shared, at));
    const bytes = (used() - before) / kept.length;
    console.log(JSON.stringify({ bytes, whole: text(1).length }));`;
  const { bytes, whole } = JSON.parse(measured(source)) as { readonly bytes: number; readonly whole: number };
  t.comment(`${bytes.toFixed(0)} bytes of ${whole}`);
  // Without the shared values it is 1,300, and 2,000 with all of the report.
  t.ok(bytes < 600, `${bytes} bytes for each Node`);
  t.ok(whole > 10_000, `a Node of ${whole} bytes`);
});
