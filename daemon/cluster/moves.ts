/** What a node does about its cluster at a tick: values in, values out. session.ts does it. */
import { canonical } from '../../protocol/digest.ts';
import type { Code } from '../../protocol/problem/problem.ts';
import { paceOf } from '../../kube/retry.ts';
import type { ClusterSettings } from '../model/settings.ts';

/** After so long without permission to read the own Node, the identity is determined again. */
const deniedMs = 300_000;

export type Standing = {
  readonly settings: ClusterSettings | undefined;
  readonly hasSession: boolean;
  /** `elapsed` since which the own Node cannot be read, for a reason that a person has to remove. */
  readonly denied: number | undefined;
  readonly isJoining: boolean;
  readonly isClosed: boolean;
};

/** `withdraw`: take our marks off the Node, by the former settings; `drop`: leave, and keep the problem in the report. */
export type Move = 'leave' | 'withdraw' | 'adopt' | 'look' | 'drop' | 'join';

export const deniedSince = (
  former: number | undefined,
  code: Code | undefined,
  elapsed: number,
): number | undefined =>
  code !== undefined && (paceOf(code) === 'slow' || code === 'api-unauthorized')
    ? (former ?? elapsed)
    : undefined;

/** In the order in which they are done. `given` undefined: the settings cannot be read, so the former ones stay. */
export const movesOf = (
  { settings: former, hasSession, denied, isJoining, isClosed }: Standing,
  given: ClusterSettings | undefined,
  elapsed: number,
): readonly Move[] => {
  const isNew = given !== undefined && canonical(given) !== canonical(former ?? null);
  // A kubelet that was set up again may have another kubeconfig, another cluster, or another name of its Node.
  const isAnother = denied !== undefined && elapsed - denied >= deniedMs;
  if (hasSession && !isNew && !isAnother) return ['look'];
  const settings = isNew ? given : former;
  const joins = !isJoining && !isClosed && settings !== undefined && settings.identity !== 'none';
  return [
    ...(isNew ? (['leave'] as const) : []),
    // Labels of a node that left would continue to attract Pods for handlers that are about to be removed.
    ...(isNew && hasSession && former && given.identity === 'none' ? (['withdraw'] as const) : []),
    ...(isNew ? (['adopt'] as const) : []),
    ...(hasSession && !isNew ? (['drop'] as const) : []),
    ...(joins ? (['join'] as const) : []),
  ];
};
