/**
 * A marker file while an artifact is unpacked and tested. If the next start finds it, rcm-node ended during that, possibly
 * because of the artifact, and it counts as an attempt: otherwise an artifact that crashes rcm-node would do so forever.
 */
import { paths } from '../../../protocol/host-paths.ts';
import { artifactId } from '../../decide/handlers/handlers.ts';
import type { Host } from '../../../host/host.ts';
import type { Handler } from '../../model/desired.ts';
import type { Ledger } from '../../model/ledger.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import { digestOf } from '../../../protocol/digest.ts';
import { label } from '../../../protocol/names.ts';
import { saveLedger } from '../../state/state.ts';
import { isFields, parseJson } from '../../../protocol/json.ts';

type Mark = {
  /** Epoch milliseconds. */
  readonly at: number;
  /** By handler, which artifact (artifactId). */
  readonly artifacts: Readonly<Record<string, string>>;
};

const ending = '.unpacking';
export const isMark = (name: string): boolean => name.endsWith(ending);

/** Throws when the marker cannot be written; then nothing is unpacked. */
export const marked = async <T>(
  host: Host,
  handlers: readonly Handler[],
  work: () => Promise<T>,
): Promise<T> => {
  const artifacts = Object.fromEntries(handlers.map((handler) => [handler.name, artifactId(handler)]));
  const mark: Mark = { at: host.clock.now(), artifacts };
  const path = `${paths.incoming}/${digestOf(JSON.stringify(artifacts)).slice(0, 16)}${ending}`;
  await host.files.put(path, `${JSON.stringify(mark)}\n`, 0o600);
  try {
    return await work();
  } finally {
    await host.files.removeTree(path);
  }
};

/** The latest time of a Date. */
const latest = 8_640_000_000_000_000;

/** A partial marker is ignored: it was being written, and nothing was unpacked yet. */
const parseMark = (text: string): Mark | undefined => {
  const value = parseJson(text);
  if (!isFields(value) || !isFields(value.artifacts)) return undefined;
  // Only valid values may go into the ledger: otherwise a damaged marker would damage the ledger.
  const artifacts = Object.entries(value.artifacts).filter(
    (entry): entry is [string, string] => label.test(entry[0]) && typeof entry[1] === 'string',
  );
  const at = Number.isSafeInteger(value.at) ? Math.min(Math.max(Number(value.at), 0), latest) : 0;
  return { at, artifacts: Object.fromEntries(artifacts) };
};

/** The attempts of an artifact after one more failure. */
export const attempted = (
  ledger: Ledger,
  name: string,
  artifact: string,
  problem: Problem,
  at: number,
): Ledger => {
  const known = ledger.attempts[name];
  const count = known?.artifact === artifact ? known.count + 1 : 1;
  return {
    ...ledger,
    attempts: { ...ledger.attempts, [name]: { artifact, count, at, problem: { ...problem, handler: name } } },
  };
};

/** Failures are cleared when the artifact is there, also for a handler that waits for approval. */
export const succeeded = (ledger: Ledger, name: string): Ledger => {
  if (!(name in ledger.attempts)) return ledger;
  const { [name]: _gone, ...attempts } = ledger.attempts;
  return { ...ledger, attempts };
};

const interrupted: Problem = {
  code: 'interrupted',
  message: 'rcm-node ended while it unpacked or tested this artifact',
};

/** Counts interruptions in the ledger, and saves it before the markers are removed. Only for the holder of the lock. */
export const countInterrupted = async (host: Host, before: Ledger): Promise<Ledger> => {
  const marks = ((await host.files.names(paths.incoming)) ?? []).filter(isMark);
  let ledger = before;
  for (const name of marks) {
    const fact = await host.files.look(`${paths.incoming}/${name}`);
    const mark = fact.kind === 'regular' ? parseMark(fact.text) : undefined;
    for (const [handler, artifact] of Object.entries(mark?.artifacts ?? {})) {
      host.log('error', interrupted.message, { handler, code: interrupted.code });
      ledger = attempted(ledger, handler, artifact, interrupted, mark?.at ?? 0);
    }
  }
  if (ledger !== before) await saveLedger(host, ledger);
  for (const name of marks) await host.files.removeTree(`${paths.incoming}/${name}`);
  return ledger;
};
