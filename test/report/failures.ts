/**
 * What `.ci/run` shows last: each failed test of all its parts in one line. Who reads the end of a long log sees them there, while
 * their detail is an hour further up. Arguments: the log of each part that failed, named like the part.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** Few enough that the last sixty lines of the log hold them, the times and the counts. */
const MOST = 40;
const WIDEST = 300;

export type Log = { readonly part: string; readonly text: string };

/** The lines to print; a part that failed without a failed test, as a build does, is its last line. */
export function failuresOf(logs: readonly Log[]): readonly string[] {
  const all = logs.flatMap(({ part, text }) => {
    const lines = text.split('\n');
    const found = lines.flatMap((line, at) =>
      line.startsWith('FAILED ') ? [`${line}${detailBelow(lines, at)}`] : [],
    );
    return found.length > 0
      ? found
      : [`FAILED ${part}: ${lines.findLast((line) => line.trim() !== '') ?? ''}`];
  });
  const shown = all.slice(0, MOST).map((line) => line.slice(0, WIDEST));
  return all.length > MOST ? [...shown, `and ${all.length - MOST} more`] : shown;
}

/** The message and the place: the first two lines of what run.ts prints indented below a failure. */
function detailBelow(lines: readonly string[], at: number): string {
  const [message, place] = [1, 2].map((more) => /^ {4}(\S.*)/.exec(lines[at + more] ?? '')?.[1]);
  if (message === undefined) return '';
  return `: ${message}${place?.startsWith('at ') ? ` (${place})` : ''}`;
}

if (import.meta.main) {
  const logs = process.argv
    .slice(2)
    .map((path) => ({ part: basename(path), text: readFileSync(path, 'utf8') }));
  for (const line of failuresOf(logs)) console.log(line);
}
