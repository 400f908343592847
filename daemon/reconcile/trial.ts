/** What the runtime's own parser says of staged files; and what it said within this tick, so that it is asked once. */
import { folderOf } from '../../protocol/host-paths.ts';
import { detailOf } from '../../protocol/problem/problem.ts';
import type { Host } from '../../host/host.ts';
import type { Observed } from '../decide/observed.ts';
import type { Plan, Staged } from '../model/plan.ts';
import type { DumpFact, RuntimeFacts, Trial } from '../runtimes/facts.ts';
import { inRoot } from './observe/runtime.ts';

/** Checks staged files with the parser of the runtime, and removes them afterwards. */
export const tryOut = async (
  host: Host,
  runtime: RuntimeFacts,
  trial: Extract<Plan, { kind: 'trial' }>,
  scratch: string,
): Promise<Trial> => {
  await host.files.makeFolder(scratch);
  const both = [
    dump(host, runtime, trial.before, trial.words.before),
    dump(host, runtime, trial.after, trial.words.after),
  ] as const;
  try {
    const [before, after] = await Promise.all(both);
    return { id: trial.id, before: nameless(before, scratch), after: nameless(after, scratch) };
  } finally {
    // One may have failed at once, and the other still writes there.
    await Promise.allSettled(both);
    await host.files.removeTree(scratch);
  }
};

/** Of one tick. */
export type Tried = Map<string, { readonly program: string; readonly trial: Trial }>;

/** Of the program's file, which the kernel changes at each write; undefined where it cannot be told. */
const identityOf = async ({ files }: Host, binary: string): Promise<string | undefined> => {
  const facts = await files.stat(binary);
  return facts ? Object.values(facts).join(' ') : undefined;
};

/** Answers of the same program; `id` of each stands for all bytes that it read. */
export const remembered = async (
  host: Host,
  runtime: Observed['runtime'],
  tried: Tried,
): Promise<Trial[]> => {
  const program =
    runtime.name === 'none' || tried.size === 0 ? undefined : await identityOf(host, runtime.binary);
  return [...tried.values()].flatMap((one) => (one.program === program ? [one.trial] : []));
};

/** A failure is not remembered: it may be of the moment. */
export const tryOnce = async (
  host: Host,
  runtime: RuntimeFacts,
  plan: Extract<Plan, { kind: 'trial' }>,
  scratch: string,
  tried: Tried,
): Promise<Trial> => {
  const program = await identityOf(host, runtime.binary);
  const trial = await tryOut(host, runtime, plan, scratch);
  const isSame = program !== undefined && (await identityOf(host, runtime.binary)) === program;
  if (isSame && trial.before.kind === 'dumped' && trial.after.kind === 'dumped')
    tried.set(trial.id, { program, trial });
  return trial;
};

/** The folder name changes each time: a message with it would change at every tick. */
const nameless = (fact: DumpFact, scratch: string): DumpFact =>
  fact.kind !== 'dumped' && fact.detail !== undefined
    ? { ...fact, detail: fact.detail.replaceAll(`${scratch}/`, '') }
    : fact;

const dump = async (
  host: Host,
  runtime: RuntimeFacts,
  staged: readonly Staged[],
  words: readonly string[],
): Promise<DumpFact> => {
  for (const file of staged) {
    if (file.text === null) continue;
    await host.files.makeFolder(folderOf(file.path));
    // 0600: a copy of a foreign configuration may have registry credentials.
    await host.files.put(file.path, file.text, 0o600);
  }
  const result = await host.tools.run(inRoot(host, [runtime.binary, ...words]), {
    deadlineMs: 20_000,
    maxOutputBytes: 16 * 1024 * 1024,
  });
  if (result.kind === 'not-started')
    return {
      kind: host.systemd ? 'failed' : 'impossible',
      why: `${runtime.binary} cannot be run: ${result.errno}`,
    };
  if (result.code === 0) return { kind: 'dumped', text: result.stdout };
  const how = result.code === null ? `was ended by ${result.signal}` : `ended with code ${result.code}`;
  // chroot(1) exits with 125 when it may not, 126 when the program cannot be run and 127 when there is none.
  const isChroot = !host.systemd && result.code !== null && result.code >= 125 && result.code <= 127;
  const why = result.timedOut ? 'it did not answer in time' : `${isChroot ? 'chroot' : 'it'} ${how}`;
  return { kind: isChroot ? 'impossible' : 'failed', why, ...detailOf({ detail: lastLine(result.stderr) }) };
};

const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.slice(0, 400) ?? '';
