/** What a tick of a simulated node comes to: artifacts are there at once, a restart of the runtime takes a while. */
import { neededApproval, waitsForApproval } from '../../daemon/decide/handlers/rollout-wait.ts';
import type { Clock } from '../../host/host.ts';
import { type Desired, type Handler, storeKey } from '../../daemon/model/desired.ts';
import { emptyLedger, type Ledger } from '../../daemon/model/ledger.ts';
import type { Outcome } from '../../daemon/model/outcome.ts';
import type { HandlerReport } from '../../daemon/model/plan.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import type { Told } from '../../daemon/cluster/node-writer.ts';
import { handlerTable } from '../../daemon/runtimes/containerd/config.ts';
import { canonical } from '../../protocol/digest.ts';
import { version } from '../../protocol/version.ts';

/** `restartMs`: how long a change with its proof takes. Absent: changes take nothing, and need no approval. */
export type Manner = { readonly restartMs?: number };

export type Runtime = {
  ledger(): Ledger;
  /** Does what may be done now, and tells of it as the service does. */
  tick(desired: Desired): Promise<Told>;
  fail(): void;
};

const sameTable = (one: Handler, other: Handler): boolean =>
  canonical(handlerTable(one, '', {})) === canonical(handlerTable(other, '', {}));

const outcomeOf = (reports: readonly HandlerReport[], undone: Problem | undefined): Outcome => {
  if (undone) return { kind: 'failed', problem: undone, undone: true };
  const problems = reports.flatMap(({ problem }) => (problem ? [problem] : []));
  const bad = problems.filter(({ code }) => code === 'known-bad');
  if (bad.length > 0) return { kind: 'degraded', problems: bad };
  return problems.length > 0 ? { kind: 'waiting', for: problems } : { kind: 'converged' };
};

export const makeRuntime = (clock: Clock, { restartMs }: Manner): Runtime => {
  const state = { handlers: {} as Ledger['handlers'], fails: false, bad: {} as Record<string, string> };

  const install = (handlers: readonly Handler[]): void => {
    const own = handlers.map((handler) => {
      const sha256 = handler.artifact.sha256 ?? '';
      return [handler.name, { handler, key: storeKey(handler) ?? '', sha256, path: '' }] as const;
    });
    state.handlers = { ...state.handlers, ...Object.fromEntries(own) };
  };

  const needsApproval = (handler: Handler): boolean => {
    const installed = state.handlers[handler.name]?.handler;
    return restartMs !== undefined && !(installed && sameTable(installed, handler));
  };

  const reportOf = (handler: Handler, { approvals }: Desired): HandlerReport => {
    const { name, artifact, where, order } = handler;
    const { sha256 } = artifact;
    const report = { name, source: where.file, ...(sha256 === undefined ? {} : { sha256 }) };
    if (!order || !approvals || !needsApproval(handler)) return { ...report, state: 'served' };
    const approval = neededApproval(approvals, order.shim, order.revision, clock.now());
    if (state.bad[order.shim] === order.revision) {
      const message = 'it failed its proof here and is not tried again until it changes';
      const problem: Problem = { code: 'known-bad', handler: name, message };
      return {
        ...report,
        state: 'failed',
        problem,
        approval: { shim: approval.shim, revision: approval.revision },
      };
    }
    if (approval.hold === undefined) return { ...report, state: 'pending', approval };
    return {
      ...report,
      state: 'pending',
      problem: waitsForApproval(approval, name, approvals),
      approval,
    };
  };

  /** All that is approved is one restart. */
  const restart = async (handlers: readonly Handler[]): Promise<Problem | undefined> => {
    await clock.sleep(restartMs ?? 0);
    if (!state.fails) {
      install(handlers);
      return undefined;
    }
    state.fails = false;
    for (const { order } of handlers) if (order) state.bad[order.shim] = order.revision;
    const names = handlers.map(({ name }) => name).join(', ');
    return { code: 'activation-failed', message: `the runtime did not start with ${names}; it was undone` };
  };

  return {
    ledger: () => ({ ...emptyLedger, handlers: state.handlers }),
    fail: () => {
      state.fails = true;
    },
    tick: async (desired) => {
      const { handlers, problems, approvals } = desired;
      const before = handlers.map((handler) => ({ handler, report: reportOf(handler, desired) }));
      const asked = new Set(handlers.map(({ name }) => name));
      state.handlers = Object.fromEntries(Object.entries(state.handlers).filter(([name]) => asked.has(name)));
      install(before.flatMap(({ handler, report }) => (report.state === 'served' ? [handler] : [])));
      const due = before.flatMap(({ handler, report: { state, problem } }) =>
        state === 'pending' && !problem ? [handler] : [],
      );
      const undone = due.length > 0 ? await restart(due) : undefined;
      const reports = handlers.map((handler) => reportOf(handler, desired));
      return {
        report: {
          version: 1,
          agent: version,
          at: new Date(clock.now()).toISOString(),
          outcome: outcomeOf(reports, undone),
          runtime: { name: 'containerd', version: '2.1.5', unit: 'containerd.service' },
          handlers: reports,
          notes: problems,
          did: [],
          restarts: { lastHour: 0, last: null },
          trusted: {},
          cluster: null,
        },
        desired: handlers,
        problems,
        ...(approvals ? { approvals } : {}),
        installed: state.handlers,
        serves: Object.keys(state.handlers),
      };
    },
  };
};
