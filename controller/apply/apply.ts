/** Carries out what was decided, in the order in which a part that fails leaves the least behind. */
import { applyClasses } from './apply-classes.ts';
import { applyNodes } from './apply-nodes.ts';
import type { StatusWriter } from './apply-status.ts';
import { type LeaderContext, unlessGone } from './context.ts';
import type { Decision, FinalizerChange, View } from '../model/fleet.ts';
import { shimFacts } from '../model/shim-facts.ts';
import { canonical } from '../../protocol/digest.ts';
import { paths } from '../observe/watches.ts';

const carryFinalizers = async (
  context: LeaderContext,
  changes: readonly FinalizerChange[],
): Promise<void> => {
  const { api, watches, writes, log } = context;
  await writes.each(changes, async ({ shim, finalizers }) => {
    // Its status may just have been written, by us.
    const latest = watches.shims.latest(shim);
    if (canonical(latest.finalizers) !== canonical(shim.finalizers)) return;
    // With its version: who added a finalizer meanwhile keeps it.
    const body = { metadata: { resourceVersion: latest.resourceVersion, finalizers } };
    const write = async (): Promise<void> => {
      const path = `${paths.shims}/${encodeURIComponent(shim.name)}`;
      const after = shimFacts(await api.request('PATCH', path, { patch: 'merge', body }));
      if (!after.deleting) return watches.shims.put(after);
      log('info', `removed the finalizer of Shim ${shim.name}`, { shim: shim.name });
      if (after.finalizers.length === 0) watches.shims.gone(shim);
      else watches.shims.put(after);
    };
    const gone = (): void => watches.shims.gone(shim);
    // runtime-class-manager, where it still runs, puts its finalizer back each time, and each write wakes every node.
    const what = canonical([shim.uid, shim.deleting, finalizers]);
    await writes.attempt(`Shim/${shim.name}`, () => unlessGone(shim.name, write(), gone), { what });
  });
};

/** Whether there is more to do at once. */
export const apply = async (
  context: LeaderContext,
  statuses: StatusWriter,
  decision: Decision,
  view: View,
): Promise<boolean> => {
  // A Shim without the finalizer could vanish before its nodes are clean; a RuntimeClass goes before the handler does.
  const [taken, put] = [true, false].map((isTaken) =>
    decision.finalizers.filter(({ shim }) => shim.deleting === isTaken),
  );
  await carryFinalizers(context, put ?? []);
  await applyClasses(context, decision.classes, view);
  const more = await applyNodes(context, decision.nodes, view);
  await statuses.carry(decision.statuses, view.nodes.length);
  await carryFinalizers(context, taken ?? []);
  return more;
};
