/**
 * Carries out what is decided of RuntimeClasses. One that is not there is created, and not applied, so that one which
 * another program makes in the same moment is not taken over; one that is there is changed only if it still is that very one.
 */
import { overwriterOf, replacedOn, selectorOf } from '../decide/shims/class-content.ts';
import { ApiFailure } from '../../kube/client.ts';
import { type LeaderContext, unlessGone } from './context.ts';
import { classFacts } from '../model/class-facts.ts';
import { type ClassSettings, together } from '../model/class-settings.ts';
import type { ClassChange, ClassFacts, ShimFacts, View } from '../model/fleet.ts';
import { fieldManager, managedBy, shimKey } from '../model/keys.ts';
import { someOf } from '../model/wording.ts';
import { fields, items } from '../../protocol/json.ts';
import { canonical } from '../../protocol/digest.ts';
import { paths } from '../observe/watches.ts';

type Apply = Extract<ClassChange, { kind: 'apply' }>;

const pathOf = (name: string): string => `${paths.classes}/${encodeURIComponent(name)}`;

/**
 * `more`: what others set on its predecessor; it takes the place of nothing that is ours. No blockOwnerDeletion: it would need
 * a right over the finalizers of Shims, and no deletion waits for it.
 */
const bodyOf = (name: string, shim: ShimFacts, present?: ClassFacts, more?: ClassSettings) => {
  const { labels, annotations, overhead, tolerations } = together(shim.classSettings, more);
  return {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: {
      name,
      ...(present === undefined ? {} : { uid: present.uid, resourceVersion: present.resourceVersion }),
      labels: { ...labels, [managedBy.key]: managedBy.value, [shimKey]: shim.name },
      ...(annotations === undefined ? {} : { annotations }),
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
    ...(overhead === undefined ? {} : { overhead }),
    scheduling: { nodeSelector: selectorOf(shim), ...(tolerations === undefined ? {} : { tolerations }) },
  };
};

const make = async (context: LeaderContext, { name, shim, settings }: Apply): Promise<unknown> => {
  const { api, events } = context;
  const post = (body: unknown): Promise<unknown> =>
    api.request('POST', paths.classes, { query: { fieldManager }, body });
  if (settings === undefined) return post(bodyOf(name, shim));
  try {
    return await post(bodyOf(name, shim, undefined, settings));
  } catch (error) {
    // A rule of the cluster may refuse a new class with what it let pass on the former one: it would never be made again.
    if (!(error instanceof ApiFailure && error.status === 422)) throw error;
    const made = await post(bodyOf(name, shim));
    const message = `The RuntimeClass ${name} was made anew without what had been set on it (${Object.keys(settings).join(', ')}), because the API server does not take that: ${error.message}`;
    events.tell([{ shim, type: 'Warning', reason: 'RuntimeClassReset', message }]);
    return made;
  }
};

const correct = async (
  context: LeaderContext,
  { name, shim }: Apply,
  present: ClassFacts,
): Promise<unknown> => {
  const { api } = context;
  const answer = await api.request('PATCH', pathOf(name), {
    ...{ patch: 'apply', body: bodyOf(name, shim, present) },
    query: { fieldManager, force: 'true' },
  });
  const { uid, resourceVersion, holdsSettings } = classFacts(answer);
  if (!holdsSettings) return answer;
  // What it was made with belongs to no field manager then, and the next one that applies it has it without a conflict.
  const managedFields = items(fields(fields(answer).metadata).managedFields).filter((one) => {
    const { manager, operation } = fields(one);
    return manager !== fieldManager || operation !== 'Update';
  });
  const body = { metadata: { uid, resourceVersion, managedFields } };
  return api.request('PATCH', pathOf(name), { patch: 'merge', body, query: { fieldManager } });
};

const apply = async (context: LeaderContext, asked: Apply, present?: ClassFacts): Promise<void> => {
  const { log, watches, events } = context;
  const { name, shim } = asked;
  const before = present ?? classFacts(await make(context, asked));
  const isWhole = present === undefined && !before.holdsSettings;
  const after = isWhole ? before : classFacts(await correct(context, asked, before));
  watches.classes.put(after);
  const replaced = present && replacedOn(present, shim);
  if (replaced) {
    const by = replaced.who.length === 0 ? '' : `, set by ${someOf(replaced.who)}`;
    const message = `On the RuntimeClass ${name}, spec.runtimeClass of this Shim took the place of what was there${by}: ${someOf(replaced.fields)}`;
    events.tell([{ shim, type: 'Warning', reason: 'RuntimeClassSettingsReplaced', message }]);
  }
  log('info', `${present === undefined ? 'created' : 'changed'} RuntimeClass ${name}`, {
    shim: shim.name,
    handler: shim.handler,
  });
};

const remove = async (context: LeaderContext, one: ClassFacts): Promise<void> => {
  const { api, log, watches } = context;
  const { name, uid, resourceVersion } = one;
  const body = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    preconditions: { uid, resourceVersion },
    propagationPolicy: 'Background',
  };
  const answer = (await api.request('DELETE', pathOf(name), { body })) as { readonly kind?: unknown };
  // A finalizer of another program may keep it: then the answer is the class, and no Status.
  if (answer.kind === 'RuntimeClass') watches.classes.put(classFacts(answer));
  else watches.classes.gone(one);
  log('info', `deleted RuntimeClass ${name}`, { handler: one.handler });
};

/** What the Shim asks for anew is none of what was undone. */
const whatOf = (name: string, shim: ShimFacts): string => canonical([shim.generation, bodyOf(name, shim)]);

export const applyClasses = async (
  context: LeaderContext,
  changes: readonly ClassChange[],
  view: View,
): Promise<void> => {
  const removed = new Set<string>();
  for (const change of changes) {
    if (change.kind === 'delete') {
      const { class: one, next } = change;
      // Without the one that takes its place no Pod could be created.
      if (next && !context.writes.isDue(`RuntimeClass/${one.name}`, whatOf(one.name, next))) continue;
      const gone = (): void => context.watches.classes.gone(one);
      const work = () => unlessGone(one.name, remove(context, one), gone);
      if (await context.writes.attempt(`RuntimeClass/${one.name}`, work)) removed.add(one.uid);
      continue;
    }
    const { name, shim } = change;
    const present = view.classes.find((one) => one.name === name && !removed.has(one.uid));
    // To give up what it was made with is a part of making it, and no repair.
    const written = present?.holdsSettings
      ? undefined
      : { what: whatOf(name, shim), by: present && overwriterOf(present, shim) };
    await context.writes.attempt(`RuntimeClass/${name}`, () => apply(context, change, present), written);
  }
};
