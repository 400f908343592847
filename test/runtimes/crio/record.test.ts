/**
 * A handler of ours beside every recorded configuration of CRI-O: what its daemon does not start with is refused before a byte is
 * written, and beside everything else ours is served, and what was served before is served on. The daemon is the stand-in that
 * test/testbed/crio/ holds to the record. Every stop: 125 hosts.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import type { Handler } from '../../../daemon/model/desired.ts';
import { emptyLedger } from '../../../daemon/model/ledger.ts';
import type { Staged } from '../../../daemon/model/plan.ts';
import { readTree } from '../../../daemon/reconcile/observe/config-files.ts';
import { missingOf } from '../../../daemon/reconcile/observe/runtime.ts';
import { crio } from '../../../daemon/runtimes/crio/row.ts';
import type { DumpFact, RuntimeFacts } from '../../../daemon/runtimes/facts.ts';
import { makeFiles } from '../../../host/files/files.ts';
import { Failure, type Problem } from '../../../protocol/problem/problem.ts';
import { programOf } from '../../../testbed/crio/cli.ts';
import { checkConfig } from '../../../testbed/crio/config/check.ts';
import { type Case, cases, placeFiles } from '../../../testbed/crio/record.ts';
import { handler, unit } from '../../../testbed/simulated/bare-host.ts';

const own: Handler = {
  ...handler,
  name: 'rcm-own',
  runtime: { type: 'oci', binary: 'crun-wasm', libraries: [] },
};
const program = '/opt/rcm-node/shims/rcm-own/crun-wasm';

/** What the recorded node had. */
const programs: Readonly<Record<string, number>> = {
  ...{ [program]: 0o755, '/usr/bin/conmon': 0o755, '/usr/local/bin/crun': 0o755, '/opt/held/rt': 0o755 },
  ...{ '/usr/local/bin/crun-wasm': 0o755, '/usr/local/bin/inpath': 0o755, '/opt/held/notexec': 0o644 },
  ...{ '/opt/held/wasmtime-shim': 0o755, '/opt/held/containerd-shim-wasmtime-v1': 0o755 },
  ...{ '/opt/held/containerd-shim-wasmtime-v2': 0o755, '/opt/held/containerd-shim-noexec-v2': 0o644 },
};

const place = (root: string, path: string, text: string, mode = 0o644): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  chmodSync(join(root, path), mode);
};

const hostOf = (t: Test, { files }: Pick<Case, 'files'>): string => {
  const root = mkdtempSync(join(tmpdir(), 'rcm-crio-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, mode] of Object.entries(programs)) place(root, path, '#!/bin/sh\n', mode);
  placeFiles(root, files);
  return root;
};

/** Runs it; `served`: the handlers with which its daemon starts, undefined where it does not. */
const run = async (root: string, argv: readonly string[]) => {
  let [out, error] = ['', ''];
  let served: readonly string[] | undefined;
  const code = await programOf(argv, {
    root,
    path: undefined,
    environment: {},
    out: (said) => {
      out += said;
    },
    error: (said) => {
      error += said;
    },
    daemon: async (config, host) => {
      checkConfig(config, { ...host, programs: { ask: () => '' } });
      served = [...config.handlers.keys()];
    },
  });
  return { code, out, error, served };
};

const look = async (root: string): Promise<RuntimeFacts> => {
  const files = makeFiles(root);
  const { main, folder } = crio.configOf(['/usr/bin/crio']);
  const tree = await readTree(files, crio, folder === undefined ? { main } : { main, folder });
  const missing = await missingOf({ files }, crio, tree.config);
  return {
    ...{ name: 'crio', version: '1.36.3', binary: '/usr/bin/crio', socket: '/run/crio/crio.sock', unit },
    configPath: main,
    ...(folder === undefined ? {} : { configFolder: folder }),
    cri: { kind: 'answers', ready: true, reason: '', handlers: ['crun'], sandboxes: [] },
    ...tree,
    ...(missing.length > 0 ? { missing } : {}),
  };
};

const dump = async (root: string, staged: readonly Staged[], words: readonly string[]): Promise<DumpFact> => {
  for (const { path, text } of staged) if (text !== null) place(root, path, text);
  const { code, out, error } = await run(root, words);
  return code === 0 ? { kind: 'dumped', text: out } : { kind: 'failed', why: error };
};

/** What forbids to put ours there; undefined: it was written. */
const install = async (root: string): Promise<Problem | undefined> => {
  const facts = await look(root);
  const drop = crio.dropIn.beside({ path: facts.configPath, fact: { kind: 'absent' } }, facts.configFolder);
  try {
    const files = { [drop]: await makeFiles(root).look(drop) };
    const target = crio.target(facts, files, emptyLedger);
    const tables = new Map([[own.name, target.tableOf(own, program)]]);
    const wiring = target.wire(tables);
    const trial = target.stage(wiring, '/run/rcm-node/trials/own');
    const before = await dump(root, trial.before, trial.words.before);
    const after = await dump(root, trial.after, trial.words.after);
    const problem = target.check({ id: trial.id, before, after }, tables);
    if (problem) return problem;
    for (const { path, text } of wiring.files) if (text !== null) place(root, path, text);
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error.problem;
    throw error;
  }
};

/**
 * CRI-O starts with these, and they are refused all the same: a link that leads nowhere is a mistake of a person, and what was
 * recorded with a command line that takes the place of the key is fatal without it.
 */
const stricter = new Set(['main-symlink-dangling', 'monitor-cgroup-bad']);

for (const one of cases())
  t.test(`beside: ${one.name}`, async (t) => {
    const root = hostOf(t, one);
    const before = await run(root, []);
    const problem = await install(root);
    const after = await run(root, []);
    if (!one.daemon.starts || stricter.has(one.name)) {
      t.ok(problem, 'it is refused');
      t.match(problem?.where?.file ?? '', /^\/etc\/crio\//, 'and the culprit is named');
      return;
    }
    t.equal(problem, undefined);
    t.same([...(after.served ?? [])].sort(), [...(before.served ?? []), own.name].sort());
  });
