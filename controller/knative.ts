/**
 * Lets Knative's services name a RuntimeClass, where that is asked for, and puts back what it found where it no longer is.
 * What it found is kept beside what it wrote, so that any later controller knows it.
 */
import { type Api, ApiFailure } from '../kube/client.ts';
import type { Clock } from '../host/host.ts';
import type { Log } from '../host/log.ts';
import { parseJson, text } from '../protocol/json.ts';
import { logFields, printProblem, problemOf } from '../protocol/problem/problem.ts';

/** https://knative.dev/docs/serving/configuration/feature-flags/ */
const featuresPath = '/api/v1/namespaces/knative-serving/configmaps/config-features';
const flag = 'kubernetes.podspec-runtimeclassname';
const formerKey = 'rcm.spinkube.dev/knative-former';
const wanted = 'enabled';

/** Knative may come later, and its operator may write its own. */
const againMs = 600_000;
const afterFailureMs = 60_000;

type Features = {
  readonly metadata?: {
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
};

type Patch = {
  readonly metadata: {
    readonly resourceVersion?: string;
    readonly annotations: Readonly<Record<string, string | null>>;
  };
  readonly data?: Readonly<Record<string, string | null>>;
};

/** Undefined: it has the wanted value. */
export const knativePatch = (features: Features, enable: boolean): Patch | undefined => {
  const { resourceVersion, annotations } = features.metadata ?? {};
  const former = annotations?.[formerKey];
  const present = features.data?.[flag];
  const version = resourceVersion === undefined ? {} : { resourceVersion };
  if (enable) {
    if (present?.toLowerCase() === wanted) return undefined;
    const kept = former ?? JSON.stringify(present ?? null);
    return { metadata: { ...version, annotations: { [formerKey]: kept } }, data: { [flag]: wanted } };
  }
  if (former === undefined) return undefined;
  return {
    metadata: { ...version, annotations: { [formerKey]: null } },
    // A later write of another program is kept.
    ...(present === wanted ? { data: { [flag]: text(parseJson(former)) ?? null } } : {}),
  };
};

/** Ends with `signal`; without `enable` when there is nothing left to put back. */
export const followKnative = async (
  api: Api,
  clock: Clock,
  log: Log,
  enable: boolean,
  signal: AbortSignal,
): Promise<void> => {
  const state = { said: '' };
  while (!signal.aborted) {
    try {
      const patch = knativePatch((await api.request('GET', featuresPath, { signal })) as Features, enable);
      if (patch !== undefined) {
        await api.request('PATCH', featuresPath, { patch: 'merge', body: patch, signal });
        log('info', `Knative: ${flag} ${enable ? `is ${wanted}` : 'is as it was found'}`);
      }
      state.said = '';
      if (!enable) return;
      await clock.sleep(againMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      const status = error instanceof ApiFailure ? error.status : undefined;
      // Who never asked for Knative need not grant anything, nor have it.
      if (!enable && (status === 403 || status === 404)) return;
      const problem = problemOf(error);
      if (enable && state.said !== problem.code)
        log('warn', `Knative: ${featuresPath}: ${printProblem(problem)}`, logFields(problem));
      state.said = problem.code;
      await clock.sleep(status === 404 ? againMs : afterFailureMs, signal);
    }
  }
};
