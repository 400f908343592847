/**
 * Brings a node to the version in this image: looks, decides, does it step by step, and goes back to what was in force
 * when the service does not come up. Never touches the container runtime.
 */
import { Failure, type Problem } from '../protocol/problem/problem.ts';
import { look, readPayload } from './observe.ts';
import { sweepIncoming } from './place.ts';
import {
  type Asked,
  recordFailure,
  decide,
  fallback,
  isOnTrial,
  type Payload,
  revert,
  type Seen,
} from './plan.ts';
import { NotUp, runSteps } from './run-steps.ts';
import type { Target } from './target.ts';
import type { State } from './state.ts';

export type Installed = { readonly kind: 'up' } | { readonly kind: 'refused'; readonly problem: Problem };

/** The caller holds the lock. Throws Failure where something failed; the node is then as it was, or says what is not. */
export const install = async (site: Target, asked: Asked): Promise<Installed> => {
  const payload = await readPayload(site);
  const seen = await look(site, payload);
  await sweepIncoming(site);
  const plan = decide(seen, asked);
  if (plan.kind === 'refused') return plan;
  for (const note of plan.notes) site.say(`note: ${note}`);
  if (plan.kind === 'settled') {
    site.say(`rcm-node ${payload.version} is installed and running; nothing to do`);
    return { kind: 'up' };
  }
  try {
    await runSteps(site, payload, plan.steps, seen.state);
  } catch (error) {
    if (!(error instanceof NotUp)) throw error;
    throw await goBack(site, payload, seen, error.message);
  }
  return plan.instead === undefined ? { kind: 'up' } : { kind: 'refused', problem: plan.instead };
};

const failed = (message: string, hint: string): Failure =>
  new Failure({ code: 'activation-failed', message, hint });

/** Remembers first, so that a kill on the way back is not followed by another try. */
const goBack = async (site: Target, payload: Payload, before: Seen, why: string): Promise<Failure> => {
  const what = `rcm-node ${payload.version} did not start: ${why}`;
  const log = 'On the node: systemctl status rcm-node; journalctl -u rcm-node.';
  if (!isOnTrial(before)) return failed(what, log);
  site.say(what);
  const good = fallback(before);
  const now = { ...(await look(site, payload)), now: site.clock.now() };
  const state: State = { ...now.state, ...recordFailure(now, why) };
  try {
    await runSteps(site, payload, [{ kind: 'remember', change: state }, ...revert(now, good)], state);
  } catch (error) {
    const second = error instanceof Error ? error.message : String(error);
    return failed(`${what}; and the previous version did not start either: ${second}`, log);
  }
  return good === null
    ? failed(`${what}; the service is stopped, and nothing else was changed`, log)
    : failed(
        `${what}; rolled back to the previous version, which runs`,
        `${log} This build is not retried for a while: apply another image, or the previous one.`,
      );
};
