/** What `verify` prints, and what it ends with. */
import { exitCodes } from '../daemon/model/outcome.ts';
import type { Started } from '../daemon/reconcile/proof/start-proof.ts';
import { type Paint, printTrouble } from './print.ts';

type Results = Readonly<Record<string, Started>>;

export const printVerified = (results: Results, paint: Paint): string => {
  const rows = Object.entries(results).map(([name, result]) => {
    if (result.kind === 'failed') return printTrouble(result.problem, paint);
    return result.kind === 'started'
      ? `${paint.good('✓')} ${name}: a sandbox starts with it\n`
      : `${paint.warn('!')} ${name}: listed by CRI, not started: ${result.why}\n`;
  });
  return rows.join('') || 'rcm-node has installed no handler here.\n';
};

/** 4 if a handler could not be tried: that is no proof, and no fault of the shim. */
export const verifiedCode = (results: Results): number => {
  const kinds = Object.values(results).map(({ kind }) => kind);
  if (kinds.includes('failed')) return exitCodes.failed;
  return kinds.includes('listed') ? exitCodes.pending : exitCodes.settled;
};
