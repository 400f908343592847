/**
 * Keeps the desired state of the cluster. A new Shim is taken up at once; a missing one is removed only after its deletion
 * is confirmed. A CRD that was deleted with all its Shims, or a list that is empty by mistake, removes nothing.
 */
import type { CacheFile } from './cache-file.ts';
import { type Confirmation, confirmDeletion, isTypeWhole, type Seen } from './confirm-deletion.ts';
import type { Api } from '../../kube/client.ts';
import type { Host } from '../../host/host.ts';
import { pageOf } from '../../kube/objects.ts';
import type { ClusterCache } from '../model/cluster-cache.ts';
import { logFields, printProblem, type Problem, problemOf } from '../../protocol/problem/problem.ts';
import { type ShimObject, shimsPath, typePath } from '../../protocol/shim-object.ts';

export const typeGone: Problem = {
  code: 'api-missing',
  message: 'the cluster has no resource type "shims"; the handlers that it asked for before stay in service',
  where: { file: typePath },
  hint: 'kubectl apply -k bootstrap/ installs the CRD. Shims that are not created again within 10 minutes are removed.',
};

/**
 * A missing Shim is looked up again after a pause, which is spread so that the nodes of a large cluster do not all ask at
 * once. A CRD that was deleted may come back empty and be filled slowly: its Shims have `comeback` to return.
 */
const doubtMs = { least: 5_000, most: 30_000, again: 60_000, atMost: 600_000, comeback: 600_000 } as const;

/** The cluster as seen over one connection. */
export type View = {
  readonly api: Api;
  readonly node: string;
  readonly seen: () => Seen;
  /** Whether the API server says that the CRD does not exist. */
  readonly typeMissing: () => boolean;
  /** Whether this connection is still the one in use. */
  readonly current: () => boolean;
};

export type ShimCache = {
  /** The state from before this start. */
  restore(last: ClusterCache): void;
  /** Called at each change of the view. */
  look(view: View): void;
  /** The CRD is missing, or is being deleted with all its objects. */
  crdMissing(): boolean;
  /** Ends the use of the current connection and every wait for it, so that nothing keeps the process alive. */
  leave(): void;
};

/** `changed`: the CRD was created or deleted. */
export const openShimCache = (
  { clock, log }: Pick<Host, 'clock' | 'log'>,
  file: CacheFile,
  changed: () => void,
): ShimCache => {
  const state = {
    crdMissing: false,
    /** The `elapsed` since which the CRD is back; undefined: it was never missing. */
    back: undefined as number | undefined,
    /** Whether the CRD was missing at the last look. */
    missing: false,
    /** Ends the pause between two requests. */
    nap: undefined as AbortController | undefined,
    /** Why the last confirmation failed. */
    unsure: '',
    /** Ends every pause of the current confirmation. */
    end: undefined as AbortController | undefined,
  };

  const isComingBack = (): boolean =>
    state.back !== undefined && clock.elapsed() - state.back < doubtMs.comeback;

  /** Returns the Shims whose deletion is not confirmed. `sure`: those whose deletion is. */
  const take = async (view: View, sure: ReadonlySet<string> = new Set()): Promise<readonly string[]> => {
    let doubted: Confirmation['doubted'] = [];
    await file.write((last) => {
      const belief = confirmDeletion(last, view.node, view.seen(), sure);
      doubted = belief.doubted;
      if (!belief.answer) return undefined;
      const { node, shims } = belief.answer;
      return { node, shims, ...(state.crdMissing || isComingBack() ? { away: true } : {}) };
    });
    return doubted;
  };

  const setCrdMissing = (crdMissing: boolean): void => {
    if (crdMissing) state.back = undefined;
    if (state.crdMissing === crdMissing) return;
    if (!crdMissing) state.back = clock.elapsed();
    state.crdMissing = crdMissing;
    changed();
  };

  /** Asks until the deletion is confirmed: the CRD exists, has existed for long enough, and a fresh list lacks the Shim. */
  const makeSure = async (view: View): Promise<void> => {
    if (state.end) return;
    const end = new AbortController();
    state.end = end;
    try {
      await clock.sleep(spread(), end.signal);
      for (let pause: number = doubtMs.again; view.current(); pause *= 2) {
        if (await isSure(view)) return;
        state.nap = new AbortController();
        const either = AbortSignal.any([state.nap.signal, end.signal]);
        await clock.sleep(Math.min(usual(pause), untilComebackEnds()), either);
      }
    } finally {
      state.end = undefined;
    }
  };

  const spread = (): number => doubtMs.least + clock.random() * (doubtMs.most - doubtMs.least);

  const usual = (pause: number): number => Math.min(pause, doubtMs.atMost) * (0.8 + 0.4 * clock.random());

  /** The next request is due then, and not at the end of a pause that began before. */
  const untilComebackEnds = (): number => {
    const left = state.back === undefined ? 0 : state.back + doubtMs.comeback - clock.elapsed();
    return left > 0 ? left + spread() : Number.POSITIVE_INFINITY;
  };

  const isSure = async (view: View): Promise<boolean> => {
    const { api } = view;
    try {
      const whole = isTypeWhole(await api.request('GET', typePath));
      setCrdMissing(!whole);
      if (!whole || isComingBack()) {
        const doubted = await take(view);
        return whole && doubted.length === 0;
      }
      // Without a resourceVersion: the current state, and not that of a cache.
      const { items } = pageOf<ShimObject>(await api.request('GET', shimsPath));
      const there = new Set(
        items.filter((one) => one.metadata.deletionTimestamp === undefined).map((one) => one.metadata.name),
      );
      state.unsure = '';
      const doubted = await take(view, new Set(file.asked().filter((name) => !there.has(name))));
      return doubted.length === 0;
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'api-missing') setCrdMissing(true);
      // Logged because it may last: without permission to read the CRD, deleted Shims stay, and nothing else says why.
      else if (problem.code !== state.unsure)
        log('warn', `cannot confirm deletions: ${printProblem(problem)}`, logFields(problem));
      state.unsure = problem.code;
      return false;
    }
  };

  return {
    restore: ({ away }) => {
      // How long the CRD has been back is unknown; if it is still missing, the first look shows it.
      if (away) state.back = clock.elapsed();
    },
    look: (view) => {
      void (async () => {
        const missing = view.typeMissing();
        if (missing) setCrdMissing(true);
        // The CRD is back: end the pause, so that the report and the time limit of its Shims do not wait for it.
        else if (state.missing) state.nap?.abort();
        state.missing = missing;
        const doubted = await take(view);
        // While the CRD is missing, the reflector asks for it, with growing pauses.
        if (!missing && (doubted.length > 0 || state.crdMissing)) await makeSure(view);
      })();
    },
    crdMissing: () => state.crdMissing,
    leave: () => state.end?.abort(),
  };
};
