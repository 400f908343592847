/**
 * State with an odd value anywhere in it: a tick is never `internal`, the next one is as if nothing had been, and uninstall
 * takes everything away. A sample of it with a fixed seed; a larger one with CRASH in the environment, as npm run test:crash has it. Every stop: it
 * takes a minute.
 */
import { cpSync } from 'node:fs';
import t, { type Test } from 'tap';
import { paths } from '../../../protocol/host-paths.ts';
import { parseClusterCache, printClusterCache } from '../../../daemon/model/cluster-cache.ts';
import { parseJournal } from '../../../daemon/model/journal.ts';
import { parseLedger } from '../../../daemon/model/ledger.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { revisionOf } from '../../../daemon/shims/revision.ts';
import { seen } from '../../approvals.ts';
import {
  makeRoot,
  type Node,
  openNode,
  program,
  sha256,
  writeShim,
} from '../../../testbed/simulated/node.ts';
import { mutationsOf } from './odd.ts';
import type { ShimObject } from '../../../protocol/shim-object.ts';
import { difference, foreign, ours, treeOf } from '../../../testbed/simulated/tree.ts';

t.setTimeout(1_200_000);

const main = '/etc/containerd/config.toml';
const state = '/var/lib/rcm-node';
const everything = process.env.CRASH !== undefined;

const shimOf = (node: Node, name: string, spec: object = {}): ShimObject => {
  node.write(`/srv/artifacts/${name}`, program(name), 0o755);
  const anonHttp = { location: `file:///srv/artifacts/${name}`, sha256: sha256(program(name)) };
  return {
    metadata: { name, uid: 'u', creationTimestamp: '2027-01-01T00:00:00Z' },
    spec: { fetchStrategy: { anonHttp }, nodeSelector: { a: 'b' }, ...spec },
  } as ShimObject;
};

const put = (node: Node, name: string, value: unknown): void =>
  node.write(`${state}/${name}`, typeof value === 'string' ? value : JSON.stringify(value, null, 1), 0o600);

const problem = { code: 'download-failed', message: 'm', where: { file: '/x', line: 1 }, hint: 'h' };

/** A node that serves a local shim and one of the cluster, with something in every field of its state. */
const serving = async (t: Test, version: string): Promise<Node> => {
  const node = openNode(makeRoot(t), { version });
  node.write(main, `version = ${version.startsWith('1') ? 2 : 3}\n`);
  node.fake.containerd.restartByOther();
  writeShim(
    node,
    'spin-v2',
    'spin-v2',
    'podAnnotations = ["a/*"]\n[containerdRuntimeOptions]\nRoot = "/run/x"\n',
  );
  const shim = shimOf(node, 'wws-v1', { rolloutStrategy: { type: 'rolling', scope: 'all' } });
  const approved = seen({ 'wws-v1': revisionOf(shim) }, Date.parse('2027-01-15T08:14:00Z'));
  const controller = { answer: 'alive', looked: '2027-01-15T08:00:00.000Z' } as const;
  const alone = { 'wws-v1': { revision: revisionOf(shim), at: '2027-01-15T08:00:00.000Z' } };
  put(
    node,
    'cluster.json',
    printClusterCache({ version: 1, node: 'n', shims: [shim], approvals: { approved, controller, alone } }),
  );
  await node.once();
  return node;
};

const enrich = (node: Node): void => {
  const ledger = JSON.parse(node.read(`${state}/ledger.json`) ?? '');
  const digest = sha256('x');
  put(node, 'ledger.json', {
    ...ledger,
    bad: { revision: digest, problem, at: 1_800_000_000_000, tried: { other: '0123456789abcdef' } },
    failedStarts: { 'slight-v1': { of: digest, problem, at: 1_800_000_000_000, stamps: { [main]: 1 } } },
    repairs: { [main]: [1_800_000_000_000] },
    trusted: { 'https://example.com/a': digest },
    retired: {
      [digest]: { handler: 'spin-v2', sandboxes: ['a'] },
      [sha256('y')]: { handler: 'old', sandboxes: null },
    },
    attempts: { 'spin-v2': { artifact: 'a', count: 2, at: 1_800_000_000_000, problem } },
  });
};

/** One shim more, and the journal as it was in the middle of that. */
const interrupt = async (node: Node): Promise<void> => {
  writeShim(node, 'slight-v1');
  const { host } = node.fake;
  const journals: string[] = [];
  const keep: typeof host.files.put = (path, text, mode) => {
    if (path === paths.journal) journals.push(text);
    return host.files.put(path, text, mode);
  };
  await node.once({}, { ...host, files: { ...host.files, put: keep } });
  node.write(paths.journal, journals.at(-3) ?? '', 0o600);
};

/** What is wrong with a node whose state this is; '' for nothing. */
const trial = async (
  t: Test,
  prepared: Node,
  version: string,
  file: string,
  text: string,
): Promise<string> => {
  const root = makeRoot(t);
  cpSync(prepared.root, root, { recursive: true, verbatimSymlinks: true });
  const node = openNode(root, { version });
  const before = foreign(treeOf(root));
  put(node, file, text);
  const wrong: string[] = [];
  const handlers = (): string => node.fake.containerd.served().join();
  const served = handlers();
  try {
    const first = await node.once();
    if (JSON.stringify(first.outcome).includes('"internal"'))
      wrong.push(`first: ${JSON.stringify(first.outcome)}`);
    if (!/spin-v2/.test(handlers()) || !/wws-v1/.test(handlers()))
      wrong.push(`served ${served}, and after a tick ${handlers()}`);
    const second = await node.once();
    if (second.outcome.kind !== 'converged' && file === 'ledger.json')
      wrong.push(`second: ${JSON.stringify(second.outcome)}`);
    if (file === 'ledger.json') {
      const left = Object.keys(difference(before, foreign(treeOf(root))));
      if (left.length > 0) wrong.push(`changed ${left}`);
    }
  } catch (error) {
    wrong.push(`threw ${JSON.stringify(problemOf(error))}`);
  }
  try {
    put(node, file, text);
    // A journal that may be true is carried out, and may fail its proof: that is told, and the next try has none.
    const tried = await node.uninstall();
    const gone = tried.complete || file !== 'journal.json' ? tried : await node.uninstall();
    if (!gone.complete) wrong.push(`uninstall: ${JSON.stringify(gone.ticked.outcome)}`);
    const rest = Object.keys(ours(treeOf(root)));
    if (rest.length > 0 && gone.left.length === 0) wrong.push(`left ${rest}`);
    if (node.read(main) !== `version = ${version.startsWith('1') ? 2 : 3}\n`)
      wrong.push('the main file differs');
  } catch (error) {
    wrong.push(`uninstall threw ${JSON.stringify(problemOf(error))}`);
  }
  node.remove('/');
  return wrong.join('; ');
};

/** Deterministic: a failure is the same failure tomorrow. */
const sample = <T>(all: readonly T[], count: number): readonly T[] =>
  all.filter((_one, index) => (index * 2_654_435_761) % all.length < count);

const parsers = {
  'ledger.json': parseLedger,
  'journal.json': parseJournal,
  'cluster.json': parseClusterCache,
} as const;

/** Undefined for what is taken as it is. */
const codeOf = (file: keyof typeof parsers, text: string): string | undefined => {
  try {
    parsers[file](text, file);
    return undefined;
  } catch (error) {
    return problemOf(error).code;
  }
};

for (const [index, file] of (['ledger.json', 'journal.json', 'cluster.json'] as const).entries())
  t.test(`an invalid value in ${file} does no harm, and uninstall still works`, async (t) => {
    const version = index === 1 ? '1.7.24' : '2.1.4';
    const prepared = await serving(t, version);
    if (file === 'ledger.json') enrich(prepared);
    if (file === 'journal.json') await interrupt(prepared);
    const all = mutationsOf(prepared.read(`${state}/${file}`) ?? '');
    const taken = all.filter(({ text }) => codeOf(file, text) === undefined);
    const refused = all.filter(({ text }) => codeOf(file, text) !== undefined);
    t.ok(taken.length > 10 && refused.length > 10, `${taken.length} taken, ${refused.length} refused`);
    t.strictSame(
      [...new Set(refused.map(({ text }) => codeOf(file, text)))],
      ['state-damaged'],
      'whatever is refused is damage: no defect, and no newer version',
    );
    // What is refused is set aside whatever it is, so that a few stand for all of them.
    const chosen = everything
      ? [...sample(taken, 60), ...sample(refused, 30)]
      : [...sample(taken, 3), ...sample(refused, 2)];
    const wrong: string[] = [];
    for (const { name, text } of chosen) {
      const what = await trial(t, prepared, version, file, text);
      if (what !== '') wrong.push(`${name}: ${what}`);
    }
    t.strictSame(wrong, []);
  });
