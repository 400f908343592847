/** The Lease by which one of several controllers works: what it says, and what is written into it. */
import { fields, text } from '../../protocol/json.ts';

export type Lease = {
  readonly resourceVersion: string;
  /** Empty: no holder. */
  readonly holder: string;
  readonly durationMs: number;
  /** As it stands there: by it one sees whether its holder still lives. */
  readonly renewed: string;
  readonly acquired: string;
  readonly transitions: number;
};

const textOf = (value: unknown): string => text(value) ?? '';
const countOf = (value: unknown): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;

/** Four times what a controller asks for: a Lease that says more would keep all others from work for as long as it says. */
const longestMs = 60_000;

/** A Lease with missing fields has no holder. */
export const parseLease = (value: unknown): Lease => {
  const { metadata, spec } = fields(value);
  const { holderIdentity, leaseDurationSeconds, renewTime, acquireTime, leaseTransitions } = fields(spec);
  return {
    resourceVersion: textOf(fields(metadata).resourceVersion),
    holder: textOf(holderIdentity),
    durationMs: Math.min(countOf(leaseDurationSeconds) * 1000, longestMs),
    renewed: textOf(renewTime),
    acquired: textOf(acquireTime),
    transitions: countOf(leaseTransitions),
  };
};

/** MicroTime wants six digits. */
const micro = (now: number): string => new Date(now).toISOString().replace(/\.(\d{3})Z$/, '.$1000Z');

/**
 * What to write over `former`. Its resourceVersion goes along, so that of two who try one fails. An empty holder gives it
 * back: for a second, because nothing is no duration.
 */
export const leaseBody = (given: {
  readonly name: string;
  readonly namespace: string;
  readonly holder: string;
  readonly durationMs: number;
  readonly now: number;
  readonly former: Lease | undefined;
}): unknown => {
  const { name, namespace, holder, durationMs, now, former } = given;
  const same = former !== undefined && (former.holder === holder || holder === '');
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name,
      namespace,
      ...(former === undefined ? {} : { resourceVersion: former.resourceVersion }),
    },
    spec: {
      holderIdentity: holder,
      leaseDurationSeconds: holder === '' ? 1 : Math.ceil(durationMs / 1000),
      renewTime: micro(now),
      acquireTime: same && former.acquired !== '' ? former.acquired : micro(now),
      leaseTransitions: (former?.transitions ?? 0) + (same ? 0 : 1),
    },
  };
};
