/**
 * Carries out what is decided of RuntimeClasses. One that is not there is created, and not applied, so that one which
 * somebody else makes in the same moment is not taken over; one that is there is changed only if it still is that very one.
 */
import { canonical } from '../daemon/model/desired.ts';
import { selectorOf } from './decide/class-content.ts';
import { type Means, unlessGone } from './means.ts';
import { classFacts } from './model/class-facts.ts';
import type { ClassChange, ClassFacts, ShimFacts, View } from './model/fleet.ts';
import { fieldManager, managedBy, shimKey } from './model/marks.ts';
import { paths } from './watches.ts';

const pathOf = (name: string): string => `${paths.classes}/${encodeURIComponent(name)}`;

/** No blockOwnerDeletion: it would need a right over the finalizers of Shims, and nobody waits for it. */
const bodyOf = (name: string, shim: ShimFacts, present: ClassFacts | undefined): unknown => ({
  apiVersion: 'node.k8s.io/v1',
  kind: 'RuntimeClass',
  metadata: {
    name,
    ...(present === undefined ? {} : { uid: present.uid, resourceVersion: present.resourceVersion }),
    labels: { [managedBy.key]: managedBy.value, [shimKey]: shim.name },
    ownerReferences: [
      {
        apiVersion: 'runtime.spinkube.dev/v1alpha1',
        kind: 'Shim',
        name: shim.name,
        uid: shim.uid,
        controller: true,
      },
    ],
  },
  handler: shim.handler,
  scheduling: { nodeSelector: selectorOf(shim) },
});

const apply = async (means: Means, name: string, shim: ShimFacts, present?: ClassFacts): Promise<void> => {
  const { api, log, watches } = means;
  const body = bodyOf(name, shim, present);
  const answer =
    present === undefined
      ? await api.request('POST', paths.classes, { query: { fieldManager }, body })
      : await api.request('PATCH', pathOf(name), {
          ...{ patch: 'apply', body },
          query: { fieldManager, force: 'true' },
        });
  watches.classes.put(classFacts(answer));
  log('info', `RuntimeClass ${name} ${present === undefined ? 'made' : 'changed'}`, {
    shim: shim.name,
    handler: shim.handler,
  });
};

const remove = async (means: Means, one: ClassFacts): Promise<void> => {
  const { api, log, watches } = means;
  const { name, uid, resourceVersion } = one;
  const body = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    preconditions: { uid, resourceVersion },
    propagationPolicy: 'Background',
  };
  const answer = (await api.request('DELETE', pathOf(name), { body })) as { readonly kind?: unknown };
  // Somebody's finalizer may keep it: then the answer is the class, and no Status.
  if (answer.kind === 'RuntimeClass') watches.classes.put(classFacts(answer));
  else watches.classes.gone(one);
  log('info', `RuntimeClass ${name} removed`, { handler: one.handler });
};

export const carryClasses = async (
  means: Means,
  changes: readonly ClassChange[],
  view: View,
): Promise<void> => {
  const removed = new Set<string>();
  for (const change of changes) {
    if (change.kind === 'delete') {
      const one = change.class;
      const gone = (): void => means.watches.classes.gone(one);
      const work = () => unlessGone(one.name, remove(means, one), gone);
      if (await means.writes.attempt(`RuntimeClass/${one.name}`, work)) removed.add(one.uid);
      continue;
    }
    const { name, shim } = change;
    const present = view.classes.find((one) => one.name === name && !removed.has(one.uid));
    // What the Shim asks for anew is none of what was undone.
    const written = {
      what: canonical([shim.generation, bodyOf(name, shim, undefined)]),
      by: present?.overwrittenBy,
    };
    await means.writes.attempt(`RuntimeClass/${name}`, () => apply(means, name, shim, present), written);
  }
};
