/**
 * Nodes whose rcm-node is more than one minor version from the controller's: docs/upgrade.md says what is supported. They are
 * treated as all others, as far as their reports can be read.
 */
import type { NodeFacts } from '../../model/fleet.ts';
import { countOf, someOf } from '../../model/wording.ts';

export const tooOld = 'with an rcm-node that is too old for this controller';
export const tooNew = 'with an rcm-node that is too new for this controller';

const wayOut = {
  'too-old': `${tooOld}: upgrade rcm-node there`,
  'too-new': `${tooNew}: upgrade the controller`,
} as const;

/** For the log; empty where all are supported. */
export const unsupportedNodes = (nodes: readonly NodeFacts[]): string =>
  (['too-old', 'too-new'] as const)
    .map(
      (skew) => [nodes.filter((node) => node.skew === skew).map(({ name }) => name), wayOut[skew]] as const,
    )
    .filter(([names]) => names.length > 0)
    .map(([names, what]) => `${countOf(names.length, 'node')} ${what}: ${someOf([...names].sort())}`)
    .join('; ');

/** What the log said of it last, and when it said anything of it, in milliseconds of a clock that is never set. */
export type Told = { readonly text: string; readonly at: readonly number[] };

export const untold: Told = { text: '', at: [] };

const hourMs = 3_600_000;
const mostAnHour = 4;

/**
 * Undefined where there is nothing to tell, or was enough of late: a node can write another version every second, and would fill the log.
 * What is so when the hour is over is told then.
 */
export const toTell = (told: Told, text: string, now: number): Told | undefined => {
  const at = told.at.filter((one) => now - one < hourMs);
  return text === told.text || at.length >= mostAnHour ? undefined : { text, at: [...at, now] };
};
