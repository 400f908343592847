/** The conditions of a Shim: each with a reason for machines and a message for people. */
import { resumeKey } from '../../model/keys.ts';
import { isForced } from '../shims/removal.ts';
import { failuresOf, whereabouts } from './reasons.ts';
import { isAwaited } from '../rollout/rollout.ts';
import type { NodeStanding } from '../rollout/node-standing.ts';
import type { ClassStanding } from '../shims/runtime-class.ts';
import { isFailed, type Situation } from './situation.ts';
import { noneReports, notReporting } from './not-reporting.ts';
import { countOf, someOf } from '../../model/wording.ts';

export type Said = { readonly is: boolean; readonly reason: string; readonly message: string };

const no = (reason: string, message: string): Said => ({ is: false, reason, message });
const yes = (reason: string, message: string): Said => ({ is: true, reason, message });

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

/** Of what stands in the way of its RuntimeClass. */
const conflictReasons: Partial<Record<ClassStanding['kind'], string>> = {
  foreign: 'RuntimeClassNotOurs',
  claimed: 'RuntimeClassClaimed',
  invalid: 'RuntimeClassInvalid',
  'in-use': 'HandlerInUse',
  slotless: 'NoSlotFree',
};

export const available = (situation: Situation): Said => {
  const { shim, own, targets, isProven } = situation;
  if (!own) return no('Deleting', 'The Shim is being deleted.');
  if (own.kind !== 'stands') {
    return no(conflictReasons[own.kind] ?? 'RuntimeClassMissing', `${sentence(own.message ?? '')}.`);
  }
  if (own.misleads && own.overwritten !== undefined)
    return no('RuntimeClassOverwritten', `${sentence(own.overwritten)}.`);
  if (targets.length === 0) return no('NoNodes', noNodes(situation));
  const proven = targets.filter(({ node }) => isProven(node));
  const missing = targets.filter(
    (one) => one.node.ready && !one.node.cordoned && !isFailed(situation, one) && !isProven(one.node),
  );
  const serve = `${proven.length} of ${countOf(targets.length, 'node')} ${targets.length === 1 ? 'serves' : 'serve'} the handler ${shim.handler}`;
  if (!proven.some(({ node }) => node.ready)) {
    if (missing.length > 0) return no('RollingOut', `${serve}. ${sentence(whereabouts(missing))}.`);
    if (!targets.some(({ node }) => node.ready))
      return no(
        'NodesNotReady',
        `None of the ${countOf(targets.length, 'node')} is ready: ${someOf(namesOf(targets))}.`,
      );
    const cordoned = targets.filter((one) => one.node.cordoned && !isFailed(situation, one));
    if (cordoned.length > 0)
      return no(
        'NodesCordoned',
        `${serve}. The nodes that can still serve it are cordoned: ${someOf(namesOf(cordoned))}.`,
      );
    return no('NodesFailed', `${serve}, and no other node can serve it now. See Degraded.`);
  }
  // Pods run only on proven nodes: nodes that join or change do not make it unavailable.
  const was = shim.status?.conditions.some(({ type, status }) => type === 'Available' && status === 'True');
  if (missing.length > 0 && !was) return no('RollingOut', `${serve}. ${sentence(whereabouts(missing))}.`);
  return yes('Served', `${serve}.`);
};

const namesOf = (given: readonly NodeStanding[]): readonly string[] => given.map(({ node }) => node.name);

const noNodes = ({ shim, placement }: Situation): string => {
  const asked = Object.entries(shim.nodeSelector ?? {}).map(([key, value]) => `${key}=${value}`);
  const who = asked.length > 0 ? `nodes with ${asked.join(',')}` : 'nodes';
  return placement.mute.length === 0 ? `There are no ${who}.` : noneReports(placement.mute, who);
};

/** Selected nodes whose agent does not report; they count nowhere else. */
const mute = ({ placement, targets }: Situation): string =>
  placement.mute.length === 0 || targets.length === 0 ? '' : ` ${notReporting(placement.mute)}`;

/** Writes to Nodes that a webhook or a policy rejects: the nodes would wait forever without a visible reason. */
const kept = ({ unmarked, targets, leavers }: Situation): string => {
  const nodes = namesOf([...targets, ...leavers]).filter((name) => unmarked.has(name));
  const [first] = nodes;
  return first === undefined
    ? ''
    : ` The API server rejects changes to ${someOf(nodes)}: ${unmarked.get(first)}.`;
};

const resume = (name: string): string => `kubectl annotate shim ${name} ${resumeKey}="$(date)" --overwrite`;

export const progressing = (situation: Situation): Said => {
  const { shim, rollout, targets, leavers } = situation;
  const all = [...targets, ...leavers];
  const updated = targets.filter(({ serves }) => serves).length;
  const revision = rollout.revision.slice(0, 8);
  const far = shim.deleting
    ? `${countOf(situation.holders.length, 'node')} still ${situation.holders.length === 1 ? 'has' : 'have'} it installed`
    : `${updated} of ${countOf(targets.length, 'node')} ${targets.length === 1 ? 'has' : 'have'} revision ${revision}`;
  if (isForced(shim))
    return no(
      'ForceDeleted',
      `The deletion was forced, and ${far}: ${someOf(situation.holders.map(({ name }) => name))}.`,
    );
  switch (rollout.phase) {
    case 'Refused':
      return no('Refused', `No node is approved for revision ${revision}: ${situation.own?.message ?? ''}.`);
    case 'Stopped': {
      const by = all.filter(({ node }) => rollout.stoppedBy?.includes(node.name));
      const { who, hint } = failuresOf(
        by.filter(({ kind }) => kind === 'failed'),
        shim,
      );
      const names = who === '' ? someOf(rollout.stoppedBy ?? []) : who;
      return no(
        'Stopped',
        `Stopped because nodes failed: ${names}; ${far}, and no further node is approved.${hint} The rollout resumes when the Shim changes, when these nodes recover or are deleted, or with: ${resume(shim.name)}`,
      );
    }
    case 'Paused':
      return no('Paused', `spec.rolloutStrategy.paused is set, so no further node is approved; ${far}.`);
    case 'Rolling':
      if (shim.deleting) break;
      return yes(
        'RollingOut',
        `${sentence(far)}. ${sentence(whereabouts(all.filter(isOpen)))}.${kept(situation)}${mute(situation)}`,
      );
    case 'Complete':
      break;
  }
  if (shim.deleting) return removing(situation, far);
  const open = leavers.filter((one) => isAwaited(one) || one.kind === 'in-use');
  if (open.length > 0)
    return yes(
      'Removing',
      `It is being removed from ${countOf(open.length, 'node')} that the Shim no longer selects. ${sentence(whereabouts(open))}.${kept(situation)}`,
    );
  const rest = all.filter(isOpen);
  const tail = rest.length > 0 ? ` ${sentence(whereabouts(rest))}.` : '';
  return no(
    'Complete',
    targets.length === 0
      ? noNodes(situation)
      : `${sentence(far)}.${tail}${kept(situation)}${mute(situation)}`,
  );
};

const isOpen = ({ kind }: NodeStanding): boolean => kind !== 'done';

const removing = (situation: Situation, far: string): Said => {
  const { shim, classes, holders, leavers } = situation;
  if (classes.length > 0)
    return yes(
      'Removing',
      `Waits until the RuntimeClass ${classes.map(({ name }) => name).join(', ')} is gone.`,
    );
  if (holders.length === 0) return yes('Removing', 'It is removed from every node.');
  const told = new Set(leavers.map(({ node }) => node));
  const dumb = holders.filter((node) => !told.has(node)).map(({ name }) => name);
  const parts = [whereabouts(leavers), dumb.length > 0 ? `with an unreadable status: ${someOf(dumb)}` : ''];
  return yes(
    'Removing',
    `Waits for nodes: ${far}. ${sentence(parts.filter((part) => part !== '').join('; '))}.${kept(situation)} To stop waiting for a node that is lost: kubectl delete node NAME; to stop waiting for all nodes: kubectl annotate shim ${shim.name} rcm.spinkube.dev/force-delete=true`,
  );
};

export const degraded = (situation: Situation): Said => {
  const { shim, targets, leavers } = situation;
  const failed = [...targets, ...leavers].filter((one) => isFailed(situation, one));
  if (failed.length === 0) return no('AsExpected', 'No node failed.');
  const { who, hint } = failuresOf(failed, shim);
  return yes(
    'NodesFailed',
    `${countOf(failed.length, 'node')} failed: ${who}.${hint} For details: kubectl describe node NAME.`,
  );
};

export const conflict = ({ shim, own, rival }: Situation): Said => {
  const reason = own && conflictReasons[own.kind];
  if (reason) return yes(reason, `${sentence(own.message ?? '')}.`);
  if (own?.refused !== undefined) return yes('RuntimeClassRefused', `${sentence(own.message ?? '')}.`);
  if (own?.overwritten !== undefined) return yes('RuntimeClassOverwritten', `${sentence(own.overwritten)}.`);
  if (rival)
    return yes(
      'HandlerClaimed',
      `The older Shim ${rival.name} asks for the handler ${shim.handler} on some of the same nodes, and these nodes serve the older one; give one of the two another spec.runtimeClass.handler, or delete one.`,
    );
  return no(
    'NoConflict',
    own?.note === undefined ? 'No other object uses its names.' : `${sentence(own.note)}.`,
  );
};
