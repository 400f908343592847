/**
 * What everyone may read: status.json, the Node, Events, what a Pod's log repeats. What other programs printed is not in
 * it, and no credentials of addresses.
 */
import { maskUrls } from './mask.ts';
import { hintOf, type Problem } from './problem.ts';

/** As everyone may read it: the detail is left out, and the hint says where root finds it. */
export const publicProblem = ({ detail, ...problem }: Problem): Problem =>
  detail === undefined
    ? problem
    : {
        ...problem,
        hint: `${hintOf(problem)} What was printed: rcm-node doctor, or journalctl -u rcm-node, as root.`,
      };

const isDetailed = (value: unknown): value is Problem =>
  typeof value === 'object' && value !== null && 'code' in value && 'message' in value && 'detail' in value;

/** Each text for itself: in JSON a line break is "\\n", and an address that ends there would lose the half of it. */
const shown = (_key: string, inner: unknown): unknown => {
  if (typeof inner === 'string') return maskUrls(inner);
  return isDetailed(inner) ? publicProblem(inner) : inner;
};

/** JSON that everyone may read: no problem in it has a detail, and no text an address with credentials. */
export const publicJson = (value: unknown): string => JSON.stringify(value, shown, 1);
