/**
 * What the definition of the type of Shims lets us write. Another installer's may stand over ours, runtime-class-manager's
 * for instance, which has no status subresource: a write of a status is answered by 404 there, though every Shim exists.
 */
import { type Api, ApiFailure } from '../../kube/client.ts';
import type { Clock } from '../../host/host.ts';
import type { Log } from '../../host/log.ts';
import type { Metrics } from './metrics.ts';
import { typePath } from '../../protocol/shim-object.ts';
import { fields, items, text } from '../../protocol/json.ts';

export type Definition = {
  /** Whether a status can be written, as far as that is known. */
  keepsStatus(): boolean;
  /** To be called after a status was written. */
  kept(): void;
  /** To be called after a 404 for a status. Resolves to false where no Shim has one. Throws what the API says. */
  look(): Promise<boolean>;
  /** A sentence for people; empty while nothing is wrong. */
  trouble(): string;
  /** `elapsed` at which it is worth a try again; undefined: nothing is wrong. */
  nextTry(): number | undefined;
};

const definitionName = 'shims.runtime.spinkube.dev';
const definitionPath = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${definitionName}`;
const againMs = 60_000;

/** False also while there is no such type at all. */
const offersStatus = (discovery: unknown): boolean =>
  items(fields(discovery).resources).some((one) => text(fields(one).name) === 'shims/status');

/**
 * Who keeps the definition as it is, by the marks that installers leave on what they apply.
 * https://helm.sh/docs/chart_best_practices/labels/, https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/,
 * https://fluxcd.io/flux/components/kustomize/kustomizations/
 */
export const keeperOf = (definition: unknown): string | undefined => {
  const metadata = fields(fields(definition).metadata);
  const [labels, annotations] = [fields(metadata.labels), fields(metadata.annotations)];
  const argo = text(annotations['argocd.argoproj.io/tracking-id'])?.split(':')[0];
  const application = argo ?? text(labels['argocd.argoproj.io/instance']);
  if (application !== undefined) return `the Argo CD application "${application}"`;
  for (const [kind, prefix] of [
    ['Kustomization', 'kustomize.toolkit.fluxcd.io'],
    ['HelmRelease', 'helm.toolkit.fluxcd.io'],
  ] as const) {
    const name = text(labels[`${prefix}/name`]);
    if (name !== undefined) return `the Flux ${kind} "${text(labels[`${prefix}/namespace`]) ?? ''}/${name}"`;
  }
  const release = text(annotations['meta.helm.sh/release-name']);
  if (release !== undefined)
    return `the Helm release "${text(annotations['meta.helm.sh/release-namespace']) ?? ''}/${release}"`;
  const writers = items(metadata.managedFields)
    .map(fields)
    .filter(({ fieldsV1, subresource }) => subresource === undefined && 'f:spec' in fields(fieldsV1))
    .toSorted((a, b) => ((text(a.time) ?? '') < (text(b.time) ?? '') ? -1 : 1));
  const last = text(writers.at(-1)?.manager);
  return last === undefined ? undefined : `the field manager "${last}"`;
};

export const makeDefinition = (api: Api, clock: Clock, log: Log, metrics: Metrics): Definition => {
  const state = { trouble: '', notBefore: Number.NEGATIVE_INFINITY };

  const keeper = async (): Promise<string | undefined> => {
    try {
      return keeperOf(await api.request('GET', definitionPath));
    } catch (error) {
      // It is only for the message; who may not read it does without.
      if (error instanceof ApiFailure) return undefined;
      throw error;
    }
  };

  const kept = (): void => {
    if (state.trouble !== '') log('info', `the CRD ${definitionName} has the status subresource again`);
    state.trouble = '';
    metrics.set('rcm_controller_shims_without_status', 0);
  };

  return {
    kept,
    keepsStatus: () => state.trouble === '' || clock.elapsed() >= state.notBefore,
    trouble: () => state.trouble,
    nextTry: () => (state.trouble === '' ? undefined : state.notBefore),
    look: async () => {
      if (offersStatus(await api.request('GET', typePath))) {
        kept();
        return true;
      }
      metrics.set('rcm_controller_shims_without_status', 1);
      state.notBefore = clock.elapsed() + againMs;
      const by = await keeper();
      const trouble = `the CRD ${definitionName} of this cluster is not the one of rcm-node${by === undefined ? '' : `, it is managed by ${by}`}: it has no status subresource, so no status is written, and fields that it does not define are dropped; remove it from that installation, then kubectl apply -k bootstrap/crd/`;
      if (trouble !== state.trouble) log('error', trouble);
      state.trouble = trouble;
      return false;
    },
  };
};
