/** One rollout from `kubectl apply` to its end, and what was seen of it from outside. */
import { setTimeout as sleep } from 'node:timers/promises';
import { revisionOf } from '../../daemon/shims/revision.ts';
import type { ConditionType } from '../../controller/model/fleet.ts';
import type { Cluster } from '../../testbed/cluster/cluster.ts';
import type { Watcher, SeenShim } from './watcher.ts';
import type { ShimObject } from '../../protocol/shim-object.ts';
import { recordOf, type Verdict } from './rollout-record.ts';

/** Seconds from `kubectl apply`. */
export type Course = {
  readonly available: number;
  readonly complete: number;
  readonly lastServing: number;
  readonly lastProven: number;
  /** Times that it was Available and then was not. */
  readonly lost: number;
  readonly verdict: Verdict;
  readonly status: SeenShim['status'];
};

const applyWithinMs = 30_000;

const isTrue = ({ status }: SeenShim, type: ConditionType): boolean =>
  status?.conditions?.some((one) => one.type === type && one.status === 'True') === true;

export const followRollout = async (
  cluster: Cluster,
  watcher: Watcher,
  text: string,
  given: { readonly forMs: number; readonly each: Watcher['onNode'] },
): Promise<Course> => {
  // As the API server will have it, with what it adds.
  const asked = JSON.parse(
    await cluster.kubectl(['apply', '--dry-run=server', '-o', 'json', '-f', '-'], { input: text }),
  ) as ShimObject;
  const revision = revisionOf(asked);
  const { name } = asked.metadata;
  const handler = asked.spec?.runtimeClass?.handler ?? name;
  const record = recordOf({ shim: name, handler, revision });
  const seen = {
    available: Number.NaN,
    complete: Number.NaN,
    lost: 0,
    was: false,
    last: undefined as SeenShim | undefined,
  };
  watcher.onNode = (node) => {
    record.see(node);
    given.each?.(node);
  };
  watcher.onShim = (shim) => {
    if (shim.metadata.name !== name) return;
    const now = performance.now();
    const is = isTrue(shim, 'Available');
    if (is && Number.isNaN(seen.available)) seen.available = now;
    if (seen.was && !is) seen.lost += 1;
    seen.was = is;
    seen.last = shim;
    const { rollout } = shim.status ?? {};
    if (rollout?.revision === revision && rollout.phase === 'Complete' && Number.isNaN(seen.complete))
      seen.complete = now;
  };
  const from = performance.now();
  await cluster.kubectl(['apply', '-f', '-'], { input: text, timeoutMs: applyWithinMs });
  while (Number.isNaN(seen.complete + seen.available)) {
    if (performance.now() - from > given.forMs)
      throw new Error(
        `the rollout was not complete within ${given.forMs / 1000} s: ${JSON.stringify(seen.last?.status)}; ${JSON.stringify(record.verdict())}`,
      );
    await sleep(250);
  }
  const verdict = record.verdict();
  const after = (at: number): number => (at - from) / 1000;
  return {
    available: after(seen.available),
    complete: after(seen.complete),
    lastServing: after(verdict.lastServing),
    lastProven: after(verdict.lastProven),
    lost: seen.lost,
    verdict,
    status: seen.last?.status,
  };
};
