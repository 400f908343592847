/** The decisions of leader election: values in, values out. election.ts asks the API server and keeps the time. */
import type { Lease } from '../model/lease.ts';

/** One instant by both clocks, in milliseconds: `elapsed` stops while the machine sleeps, `now` can be set. */
export type Instant = { readonly elapsed: number; readonly now: number };

export type Standing = {
  readonly leads: boolean;
  /** When the renewal in force was asked for: the server wrote it later, whenever that was. */
  readonly renewed?: Instant;
  /** The Lease of another holder, and `elapsed` since its last change. */
  readonly other?: { readonly mark: string; readonly since: number };
};

export const follower: Standing = { leads: false };

/** Milliseconds that are left of the renewal in force; after a suspend of the machine, only the wall clock is right. */
export const leftOf = ({ renewed }: Standing, at: Instant, giveUpMs: number): number =>
  renewed === undefined ? 0 : giveUpMs - Math.max(at.elapsed - renewed.elapsed, at.now - renewed.now);

export const holdsNow = (standing: Standing, at: Instant, giveUpMs: number): boolean =>
  standing.leads && leftOf(standing, at, giveUpMs) > 0;

/**
 * After a look at the Lease: the standing, and whether another holder has it. By the own clock alone: a Lease that did not
 * change for its whole duration is free, whatever time stands in it.
 */
export const looked = (
  standing: Standing,
  lease: Lease | undefined,
  identity: string,
  elapsed: number,
): { readonly standing: Standing; readonly taken: boolean } => {
  if (lease === undefined || lease.holder === '' || lease.holder === identity)
    return { standing, taken: false };
  const mark = `${lease.holder} ${lease.renewed} ${lease.resourceVersion}`;
  const other = standing.other?.mark === mark ? standing.other : { mark, since: elapsed };
  return { standing: { ...standing, other }, taken: elapsed - other.since <= lease.durationMs };
};

export const renewedAt = (standing: Standing, asked: Instant): Standing => ({
  ...standing,
  leads: true,
  renewed: asked,
});

/** A leader that fails tries again soon; controllers that wait do not all ask at the same time. `random`: 0 to 1. */
export const pauseOf = (leads: boolean, failed: boolean, renewMs: number, random: number): number =>
  leads ? (failed ? renewMs / 5 : renewMs) : renewMs * (0.8 + 0.4 * random);
