/**
 * Writes the outcome of a tick to the own Node: on a transition, never in steady state, at most once in ten seconds. The
 * present content of the Node comes from its watch, so a Node that was deleted and created again is written again.
 */
import { annotations } from '../../protocol/node-annotations.ts';
import {
  eventText,
  type NodeStatus,
  noStatus,
  patchOf,
  sinceOf,
  statusOf,
} from '../decide/report/node-status.ts';
import type { Api } from '../../kube/client.ts';
import { writeEvent } from '../../kube/event.ts';
import type { Host } from '../../host/host.ts';
import { machineIds } from '../../host/machine-ids.ts';
import { objectOf } from '../../kube/objects.ts';
import { waitsOnlyForApproval } from '../model/outcome.ts';
import type { NodeObject } from '../../protocol/shim-object.ts';
import type { StatusInput } from '../decide/report/node-detail.ts';
import { logFields, printProblem, type Problem, problemOf } from '../../protocol/problem/problem.ts';

export type Told = Omit<StatusInput, 'identity' | 'ids' | 'legacyLabels'>;

export type NodeWriter = {
  tell(told: Told, legacyLabels: boolean): void;
  seen(node: NodeObject): void;
  close(): void;
};

const pauseMs = 10_000;
/** When all nodes refuse a Shim at the same moment, they must not all write at the same moment. */
const spreadMs = 5_000;
/**
 * For so long a runtime has to be lost, or back, before the Node says so: a restart is over by then, and a runtime that
 * starts and ends repeatedly is not written at each change.
 */
const steadyMs = 10_000;
/** The average pause. A shorter one, or the same one for all nodes, would add load to a server that is already failing. */
const afterFailureMs = 30_000;

export const nodePath = (node: string): string => `/api/v1/nodes/${encodeURIComponent(node)}`;

export const makeNodeWriter = async (
  host: Host,
  api: Api,
  name: string,
  identity: string,
): Promise<NodeWriter> => {
  const ids = await machineIds(host.files, host.systemd ? '/proc' : undefined);
  const { clock } = host;
  const state = {
    input: undefined as StatusInput | undefined,
    /** The status after a runtime was lost or came back, until it is steady; and since when. */
    next: undefined as StatusInput | undefined,
    since: 0,
    node: undefined as NodeObject | undefined,
    busy: false,
    closed: false,
    notBefore: 0,
    /** When the last transition is to be written; undefined: none is pending. */
    due: undefined as number | undefined,
    timer: undefined as NodeJS.Timeout | undefined,
    failure: '',
  };

  const later = (ms: number): void => {
    if (state.timer || state.closed) return;
    state.timer = setTimeout(() => {
      state.timer = undefined;
      void push();
    }, ms);
    state.timer.unref();
  };

  const fail = (problem: Problem): void => {
    // Each kind of failure once: the state of the connection is reported elsewhere.
    if (state.failure !== problem.code)
      host.log('warn', `cannot write the status of the Node: ${printProblem(problem)}`, logFields(problem));
    state.failure = problem.code;
    const pause = afterFailureMs * (0.5 + clock.random());
    state.notBefore = clock.elapsed() + pause;
    later(pause);
  };

  const push = async (): Promise<void> => {
    if (state.next) {
      const left = state.since + steadyMs - clock.elapsed();
      if (left > 0) return later(left);
      state.input = state.next;
      state.next = undefined;
    }
    const { input, node } = state;
    if (!input || !node || state.busy || state.closed) return;
    const wanted = statusOf(input, sinceOf(node.metadata, input.report));
    const patch = patchOf(node.metadata, wanted, identity === 'kubelet');
    if (!patch) {
      state.due = undefined;
      return;
    }
    state.due ??= clock.elapsed() + spreadMs * clock.random();
    const wait = Math.max(state.notBefore, state.due) - clock.elapsed();
    if (wait > 0) return later(wait);
    state.busy = true;
    state.due = undefined;
    try {
      const after = objectOf<NodeObject>(
        await api.request('PATCH', nodePath(name), { patch: 'merge', as: 'metadata', body: patch }),
      );
      state.notBefore = clock.elapsed() + pauseMs;
      state.failure = '';
      const before = node;
      state.node = after;
      await tellTransition(before, after, wanted, input);
    } catch (error) {
      fail(problemOf(error));
    } finally {
      state.busy = false;
      // Another tick, or another writer of the Node, may have changed it meanwhile.
      later(pauseMs);
    }
  };

  /** An Event for a change that matters to a person: another state, another reason, other handlers. */
  const tellTransition = async (
    before: NodeObject,
    after: NodeObject,
    wanted: NodeStatus,
    input: StatusInput,
  ): Promise<void> => {
    const said = (node: NodeObject): string =>
      [annotations.state, annotations.applied].map((key) => node.metadata.annotations?.[key] ?? '').join(' ');
    if (said(before) === said(after)) return;
    // All nodes begin to wait at the same moment; an Event for each would be noise.
    if (waitsOnlyForApproval(input.report.outcome)) return;
    const reason = wanted.annotations[annotations.state] ?? 'Unknown';
    const { uid } = after.metadata;
    await writeEvent(api, {
      name: `${name}.rcm-node`,
      about: { apiVersion: 'v1', kind: 'Node', name, ...(uid ? { uid } : {}) },
      type: isGood(reason) ? 'Normal' : 'Warning',
      reason: `Shims${reason}`,
      message: eventText(input.report),
      ...{ component: 'rcm-node', instance: name, host: name, now: clock.now() },
    }).catch((error: unknown) => host.log('debug', printProblem(problemOf(error))));
  };

  return {
    tell: (told, legacyLabels) => {
      // The policies of the service account refuse the whole patch if it has a label without our prefix.
      const input = { ...told, identity, ids, legacyLabels: legacyLabels && identity === 'kubelet' };
      if (state.input && isLost(state.input) !== isLost(input)) {
        if (!state.next) state.since = clock.elapsed();
        state.next = input;
        return void push();
      }
      state.next = undefined;
      state.input = input;
      void push();
    },
    seen: (node) => {
      state.node = node;
      void push();
    },
    close: () => {
      state.closed = true;
      clearTimeout(state.timer);
    },
  };
};

const isLost = ({ report }: StatusInput): boolean => report.handlers.some((one) => one.state === 'unknown');

const isGood = (reason: string): boolean => reason === 'Ready' || reason === 'Waiting';

/** Removes everything of ours from the Node, for the uninstall. Throws the API's errors. */
export const clearNode = async (api: Api, name: string, identity: string): Promise<void> => {
  const node = objectOf<NodeObject>(await api.request('GET', nodePath(name), { as: 'metadata' }));
  const patch = patchOf(node.metadata, noStatus, identity === 'kubelet');
  if (patch) await api.request('PATCH', nodePath(name), { patch: 'merge', body: patch });
};
