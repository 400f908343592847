/** Failures on this node: downloads in backoff, and revisions that failed their proof. */
import type { Handler } from '../../model/desired.ts';
import type { Journal } from '../../model/journal.ts';
import type { Ledger } from '../../model/ledger.ts';
import type { Observed } from '../observed.ts';
import { printUrl } from '../../../protocol/problem/mask.ts';
import { artifactCodes } from '../../../protocol/problem/problem-artifacts.ts';
import { signatureCodes } from '../../../protocol/problem/problem-signatures.ts';
import { detailOf, type Problem, printWhere, type Where } from '../../../protocol/problem/problem.ts';
import type { HandlerReport } from '../../model/plan.ts';
import { goneRevision } from '../../../protocol/node-annotations.ts';
import { usualRuntime } from '../../runtimes/table.ts';
import type { Selection } from './selection.ts';
import type { Change } from '../change.ts';

type Bad = NonNullable<Ledger['bad']>;

/** The ledger entry of a plan that failed its proof. */
export const badOf = (journal: Pick<Journal, 'plan' | 'ledger'>, problem: Problem, at: number): Bad => ({
  revision: journal.plan.revision,
  problem,
  at,
  ...triedWith(journal),
});

/** Files that the plan did not change are not part of its failure. */
const triedWith = ({ plan, ledger }: Pick<Journal, 'plan' | 'ledger'>): Pick<Bad, 'tried'> => {
  const record = plan.steps.find((step) => step.kind === 'record');
  if (!record) return {};
  const after = record.ledger.handlers;
  const gone = Object.keys(ledger.handlers).flatMap((name): [string, string][] => {
    const shim = name in after ? undefined : ledger.handlers[name]?.handler.order?.shim;
    return shim === undefined ? [] : [[shim, goneRevision]];
  });
  const taken = Object.entries(after).flatMap(([name, { handler }]): [string, string][] => {
    const { order } = handler;
    const was = ledger.handlers[name]?.handler.order;
    return !order || (was?.shim === order.shim && was.revision === order.revision)
      ? []
      : [[order.shim, order.revision]];
  });
  const tried = Object.fromEntries([...gone, ...taken]);
  return Object.keys(tried).length === 0 ? {} : { tried };
};

/** Whether its download attempts still count; a held handler may have attempts of its present and of its new artifact. */
export const isTried =
  (ready: boolean) =>
  (one: HandlerReport): boolean =>
    one.state === 'failed' || one.approval?.hold !== undefined || (ready && one.state === 'pending');

/** The revision of this change failed its proof and has not changed since. */
export const knownBad = (before: Observed, asked: Selection, change: Change): Problem | undefined => {
  const { bad } = before.ledger;
  if (!bad || bad.revision !== change.revision()) return undefined;
  const isMoved = asked.wanted.some(
    ({ name, installed }) => installed && before.ledger.handlers[name]?.key !== installed.key,
  );
  return change.files.length > 0 || change.restart || isMoved ? leftAlone(before, bad) : undefined;
};

/** Of one handler, or of all that a revision asks for. */
export const leftAlone = (before: Observed, bad: Pick<Bad, 'at' | 'problem'>, handler?: string): Problem => ({
  code: 'known-bad',
  ...(handler === undefined ? {} : { handler }),
  message: `${handler === undefined ? 'this revision failed its proof and' : 'it failed its proof here and'} is not tried again until it changes: ${bad.problem.message}`,
  ...detailOf(bad.problem),
  hint: wayOut(before, bad),
});

const longestTry = 300_000;

/** Where to find the reason, and how to retry after it is corrected. The same text at every tick. */
const wayOut = (before: Observed, { at, problem }: Pick<Bad, 'at' | 'problem'>): string => {
  const { runtime, ledger } = before;
  const unit = (runtime.name === 'none' ? undefined : runtime.unit?.name) ?? usualRuntime.usual.unit;
  const first = Math.min(at, ...ledger.restarts.filter((time) => time <= at && at - time < longestTry));
  const since = new Date(first)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
  const name = problem.handler ?? 'HANDLER';
  return `For the error of the runtime: journalctl -u ${unit} --since "${since}". After you fixed the cause: rcm-node retry ${name}, or rcm-node once --force. It is also retried when its file in shims.d is touched, and when the service rcm-node is restarted or reloaded.`;
};

/** Codes that are about another file than the one that asks: which disk is full, whose credentials or mirrors cannot be read. */
const ofAnotherFile: readonly Problem['code'][] = [
  'disk-full',
  'read-only',
  'cannot-write',
  'registry-config',
  'registry-credentials',
  'untrusted',
];

const isOfArtifact = ({ code }: Problem): boolean =>
  Object.hasOwn({ ...artifactCodes, ...signatureCodes }, code);

const messageOf = (problem: Problem, { artifact, where }: Handler): string => {
  const message =
    problem.where && ofAnotherFile.includes(problem.code)
      ? `${printWhere(problem.where)}: ${problem.message}`
      : problem.message;
  // A resource has no lines, and may have a location for each platform.
  const location = printUrl(artifact.url);
  const isNamed = where.line !== undefined || message.includes(location);
  return isNamed || !isOfArtifact(problem) ? message : `${location}: ${message}`;
};

/** The problem of an artifact, with the line of the file, or the location in the resource, that asks for it. */
export const askedAt = (problem: Problem, handler: Handler, place?: Where): Problem => ({
  ...problem,
  handler: handler.name,
  message: messageOf(problem, handler),
  // The copy of the artifact is removed before a person reads this.
  where: place ?? { file: handler.where.file },
});

/** No countdown: a message that changes at every tick would be logged at every tick. */
export const failedTry = (
  { problem, count }: Ledger['attempts'][string],
  handler: Handler,
  place: Where | undefined,
): Problem => {
  const asked = askedAt(problem, handler, place);
  return count > 1 ? { ...asked, message: `${asked.message} (failed ${count} times)` } : asked;
};
