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
