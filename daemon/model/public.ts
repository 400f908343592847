/**
 * What everyone may read: status.json, the Node, Events, what a Pod's log repeats. What other programs printed is not in
 * it, and no credentials of addresses.
 */
import { maskUrls } from './mask.ts';
import { hintOf, type Problem } from './problem.ts';

/** As everyone may read it: the detail is left out, and the hint says where root finds it. */
const forEveryone = ({ detail, ...problem }: Problem): Problem =>
  detail === undefined
    ? problem
    : {
        ...problem,
        hint: `${hintOf(problem)} What was printed: rcm-node doctor, or journalctl -u rcm-node, as root.`,
      };

const isDetailed = (value: unknown): value is Problem =>
  typeof value === 'object' && value !== null && 'code' in value && 'message' in value && 'detail' in value;

/** JSON that everyone may read: no problem in it has a detail, and no text an address with credentials. */
export const publicJson = (value: unknown): string =>
  maskUrls(
    JSON.stringify(value, (_key, inner: unknown) => (isDetailed(inner) ? forEveryone(inner) : inner), 1),
  );
