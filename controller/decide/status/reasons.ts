/** Why nodes are not in the wanted state: names the nodes and says what to do. */
import { codes, hintOf, printProblem } from '../../../protocol/problem/problem.ts';
import { approvalMs } from '../../../protocol/node-labels.ts';
import type { ShimFacts } from '../../model/fleet.ts';
import { isControlPlane } from '../rollout/control-plane.ts';
import { lost, overridden, ranOut, type NodeStanding } from '../rollout/node-standing.ts';
import { tooNew, tooOld } from './skew.ts';
import { countOf, someOf } from '../../model/wording.ts';

/** Of codes that only the controller knows; the others are in the table of problems. */
const ownHints: ReadonlyMap<string, string> = new Map([
  [
    ranOut,
    `Its approval expired after ${approvalMs / 60_000} minutes without a result: check on that node that rcm-node runs (systemctl status rcm-node), and that the clocks of the node and of the controller are right.`,
  ],
  [
    lost,
    'It became NotReady while it was approved, and has not become Ready since: check the runtime on that node (journalctl -u rcm-node -u containerd).',
  ],
  [
    overridden,
    'A file in /etc/rcm-node/shims.d on the node defines this handler and takes precedence; remove the file to have this Shim serve the handler.',
  ],
]);

export const hintOfCode = (code: string): string | undefined =>
  ownHints.get(code) ?? (Object.hasOwn(codes, code) ? codes[code as keyof typeof codes].hint : undefined);

const names = (given: readonly NodeStanding[]): readonly string[] => given.map(({ node }) => node.name);

/**
 * "node-a (digest-mismatch), node-b (…) and 3 more", and what to do about what most of them have. The text that a node gives for a failure stays on that node, which anyone who controls it can write.
 */
export const failuresOf = (
  given: readonly NodeStanding[],
  { fault, entry }: Pick<ShimFacts, 'fault' | 'entry'> = {},
): { readonly who: string; readonly hint: string } => {
  const counts = new Map<string, number>();
  for (const { code } of given) if (code !== undefined) counts.set(code, (counts.get(code) ?? 0) + 1);
  const [most] = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const known = most && hintOfCode(most[0]);
  const isFault = fault !== undefined && fault.code === most?.[0];
  const hint = isFault
    ? `${printProblem({ code: fault.code, message: fault.message })}. ${hintOf(fault)}`
    : most?.[0] === 'needs-restart' && entry !== undefined
      ? `${known} What prepares it, in that list: ${entry}.`
      : known;
  return {
    who: someOf(given.map(({ node, code }) => `${node.name} (${code ?? 'unknown'})`)),
    hint: hint === undefined ? '' : ` ${most?.[0]}: ${hint}`,
  };
};

type Group = { readonly what: string; readonly of: (one: NodeStanding) => boolean };

const isAway = ({ node }: NodeStanding): boolean => !node.ready;

/** Its report does not say that it is done, failed, or waits: that may be due to its release. */
const isSilent = ({ kind }: NodeStanding): boolean => kind === 'working' || kind === 'unreadable';

/** The first that fits counts. */
const groups: readonly Group[] = [
  { what: 'still used by Pods', of: ({ kind }) => kind === 'in-use' },
  { what: 'failed', of: ({ kind }) => kind === 'failed' },
  { what: 'not ready', of: isAway },
  { what: 'approved, in progress', of: ({ kind, inFlight }) => kind === 'approved' || inFlight },
  { what: 'cordoned', of: ({ node, kind }) => node.cordoned && kind === 'waiting' },
  {
    what: 'in the control plane, one at a time after all others',
    of: ({ node, kind }) => kind === 'waiting' && isControlPlane(node),
  },
  { what: 'waiting for approval', of: ({ kind }) => kind === 'waiting' },
  { what: `${tooNew}, and not done`, of: (one) => isSilent(one) && one.node.skew === 'too-new' },
  { what: `${tooOld}, and not done`, of: (one) => isSilent(one) && one.node.skew === 'too-old' },
  {
    what: 'preparing it with an older rcm-node, which may not know all of the Shim',
    of: ({ kind, node }) => kind === 'working' && node.skew === 'older',
  },
  { what: 'preparing it, or not reporting', of: ({ kind }) => kind === 'working' },
  { what: 'with an unreadable status', of: ({ kind }) => kind === 'unreadable' },
  { what: 'whose handler has another owner', of: ({ kind }) => kind === 'claimed' },
  { what: 'rebooted, and rcm-node has not reported since', of: ({ node }) => node.machine === 'rebooted' },
  {
    what: 'held by its startup taint until its other Shims are served',
    of: ({ node }) => node.starting !== undefined,
  },
  { what: 'serving it, not proven yet', of: () => true },
];

const mostNames = 10;
const namesOfOne = 3;

/** "approved, in progress: node-a; waiting for approval: node-b, node-c and 4 more"; names at most ten nodes. */
export const whereabouts = (given: readonly NodeStanding[]): string => {
  const rest = Map.groupBy(given, (one) => groups.find(({ of }) => of(one)) as Group);
  let left = mostNames;
  return groups
    .flatMap((group) => {
      const row = rest.get(group);
      if (!row) return [];
      const most = Math.min(left, namesOfOne);
      left -= Math.min(row.length, most);
      const isShort = row.length <= most;
      // someOf names one more than it is told, rather than say that there is one more.
      const who =
        isShort || most > 1 ? someOf(names(row), isShort ? most : most - 1) : countOf(row.length, 'node');
      return [`${group.what}: ${who}`];
    })
    .join('; ');
};
