/** docs/benchmarks.md as the bench writes it: the section of each part that was measured is replaced, the rest stays. */
import { execaSync } from 'execa';
import { cpus, release, totalmem } from 'node:os';
import { printMarkdown } from './table.ts';
import type { Row } from './row.ts';

export type Recording = { readonly date: string; readonly commit: string; readonly machine: string };

const begin = (part: string): string => `<!-- ${part}: written by npm run bench -->`;
const end = (part: string): string => `<!-- ${part}: end -->`;

/** Where and from what a run was recorded. A tree with changes is named so: its figures cannot be had again. */
export const recordingNow = (now: Date): Recording => {
  const git = (...args: readonly string[]): string => execaSync('git', args).stdout.trim();
  const changed = git('status', '--porcelain') === '' ? '' : ' with changes';
  const gib = Math.round(totalmem() / 2 ** 30);
  return {
    date: now.toISOString().slice(0, 10),
    commit: `${git('rev-parse', '--short', 'HEAD')}${changed}`,
    machine: `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${gib} GiB, Linux ${release()}`,
  };
};

/** Throws an `Error` where the document has no place for the part. */
export const withSection = (
  document: string,
  part: string,
  rows: readonly Row[],
  { date, commit, machine }: Recording,
): string => {
  const from = document.indexOf(begin(part));
  const to = document.indexOf(end(part), from);
  if (from < 0 || to < 0)
    throw new Error(`the document has no lines "${begin(part)}" and "${end(part)}" in this order`);
  const told = `Recorded on ${date} with commit ${commit}, on ${machine}.`;
  return `${document.slice(0, from)}${begin(part)}\n\n${told}\n\n${printMarkdown(rows)}\n${document.slice(to)}`;
};
