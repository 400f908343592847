/** From what is asked for to the files that it takes, and whether the runtime has to read them anew. */
import type { Observed } from '../model/observed.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { whereIn } from '../runtimes/containerd/parsed.ts';
import { meaningful } from '../runtimes/containerd/config.ts';
import type { Limits } from './backoff.ts';
import { deepEqual } from '../toml/compare.ts';
import { writeConflict } from './steps.ts';
import { parseToml } from '../toml/toml.ts';
import { restartDue } from './restart.ts';
import { type Baseline, textIn } from './baseline.ts';
import { type WantedFile, type Wiring, wire } from '../runtimes/containerd/wiring.ts';
import { canonical, digestOf } from '../../protocol/digest.ts';
import type { Selection } from './handlers/selection.ts';
import { leadsTo } from '../runtimes/containerd/wiring-drop-in.ts';

export type Change = {
  readonly wiring: Wiring;
  readonly tables: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  /** Files that differ from what they shall be. */
  readonly files: readonly Wiring['main'][];
  /** The runtime has to be restarted for it. */
  readonly restart: boolean;
  /** Names what it means. Asked for only where there is something to do or to remember: it goes through all of the main file. */
  readonly revision: () => string;
};

export const changeOf = (baseline: Baseline, asked: Selection, limits: Limits): Change => {
  const { before, runtime, site } = baseline;
  const tables = new Map(asked.wanted.map((one) => [one.name, one.table]));
  const wiring = wire(site, tables);
  const files = [wiring.dropIn, wiring.main, ...wiring.stale].filter(
    (file) => file.text !== textIn(before.files[file.path]) && !isLeft(baseline, file, limits),
  );
  if (wiring.dropIn.text === null) refuseImported(baseline, wiring.dropIn.path);
  const keys = asked.wanted.map((one) => one.installed?.key ?? null);
  return {
    wiring,
    tables,
    files,
    restart: restartDue(
      before,
      runtime,
      tables,
      files.some((file) => !meansTheSame(before, file)),
    ),
    revision: () =>
      digestOf(canonical([identity(wiring.main), identity(wiring.dropIn), runtime.version, keys])),
  };
};

/** Another program prints it anew again and again: what it means is right, and marking it again would be a fight. */
const isLeft = ({ before, rules }: Baseline, file: WantedFile, limits: Limits): boolean =>
  rules.force !== true && writeConflict(file, before, limits) !== undefined && meansTheSame(before, file);

/** What the runtime reads out of a file stays as it is, and our marks alone come or go: no restart is due for that. */
const meansTheSame = (before: Observed, file: WantedFile): boolean => {
  const now = textIn(before.files[file.path]);
  if (now === null || file.text === null) return false;
  const [is, shall] = [now, file.text].map((text) => meaningOf(text, file.path));
  return is !== undefined && deepEqual(is, shall);
};

const meaningOf = (text: string, path: string): unknown => {
  try {
    return meaningful(parseToml(text, path));
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
};

/** Another file than the main one may import our drop-in by its name, or be a link to it: without it nothing would start. */
export const refuseImported = ({ foreign, runtime }: Baseline, drop: string): void => {
  for (const file of foreign) {
    if (file.path === runtime.configPath) continue;
    const fact = runtime.config.find(({ path }) => path === file.path)?.fact;
    const real = fact?.kind === 'regular' ? fact.real : file.path;
    if (!leadsTo({ ...file, real }, drop)) continue;
    const isLink = real === drop;
    throw new Failure({
      code: 'dangling-import',
      message: `it ${isLink ? `is a link to ${drop}` : `imports ${drop} by its name`}, and containerd would not start without that file, which is ours and to be removed`,
      where: isLink ? { file: file.path } : whereIn(file, ['imports']),
      hint: isLink
        ? 'Remove the link, and run it again.'
        : 'Take this import out of the file, and run it again.',
    });
  }
};

/**
 * What a file means: a program that prints it anew, or that writes the time into it, makes no other one of it, and what failed
 * with it would fail again.
 */
export const identity = ({ path, text }: Pick<WantedFile, 'path' | 'text'>): string | null =>
  text === null ? null : canonical(meaningOf(text, path) ?? text);
