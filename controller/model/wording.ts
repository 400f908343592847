/** How conditions and Events name many nodes: short enough to read, and the same text for the same nodes. */
import { slackMs } from '../../protocol/node-labels.ts';

/** "node-a, node-b and 13 more": `given` is in order already. */
export const someOf = (given: readonly string[], most = 10): string => {
  const rest = given.length - most;
  // One more name is as short as saying that there is one more.
  if (rest <= 1) return joined(given);
  return `${given.slice(0, most).join(', ')} and ${rest} more`;
};

const joined = (given: readonly string[]): string =>
  given.length < 2 ? given.join('') : `${given.slice(0, -1).join(', ')} and ${given.at(-1)}`;

/** "1 node", "3 nodes". */
export const countOf = (count: number, noun: string): string =>
  count === 1 ? `1 ${noun}` : `${count} ${noun}${/(s|x|ch)$/.test(noun) ? 'es' : 's'}`;

/** Code units, as the API sorts: the same on every machine, whatever its language. */
export const byName = <T extends { readonly name: string }>(a: T, b: T): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

/**
 * Whether a time that was written before can have been then. One of a controller whose clock was ahead is written anew; a
 * minute is what clocks may differ by.
 */
export const isPast = (time: string, now: number): boolean => Date.parse(time) <= now + slackMs;

/** As the CRD's times are written. */
export const timeOf = (epoch: number): string => new Date(epoch).toISOString().replace(/\.\d+Z$/, 'Z');
