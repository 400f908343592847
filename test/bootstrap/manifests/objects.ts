/** The objects of a manifest, with the fields that tests look at. */
import { parseAllDocuments } from 'yaml';

export type Container = {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly securityContext: {
    readonly privileged?: boolean;
    readonly allowPrivilegeEscalation: boolean;
    readonly readOnlyRootFilesystem: boolean;
    readonly capabilities: object;
  };
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
};

export type PodSpec = {
  readonly hostPID?: boolean;
  readonly hostNetwork?: boolean;
  readonly hostIPC?: boolean;
  readonly automountServiceAccountToken: boolean;
  readonly serviceAccountName: string;
  readonly securityContext: { readonly seccompProfile: object; readonly runAsNonRoot?: boolean };
  readonly tolerations: readonly object[];
  readonly nodeSelector: object;
  readonly affinity?: {
    readonly nodeAffinity: {
      readonly requiredDuringSchedulingIgnoredDuringExecution: {
        readonly nodeSelectorTerms: readonly { readonly matchExpressions: readonly object[] }[];
      };
    };
  };
  readonly terminationGracePeriodSeconds?: number;
  readonly priorityClassName: string;
  readonly initContainers?: readonly [Container];
  readonly containers: readonly [Container];
  readonly volumes?: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
};

export type Resource = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly replicas?: number;
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: PodSpec;
    };
  };
  readonly automountServiceAccountToken?: boolean;
  readonly rules?: readonly object[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly object[];
};

const titleOf = ({ kind, metadata }: Resource): string =>
  `${kind} ${metadata.namespace ?? ''} ${metadata.name}`;

/** In an order that does not depend on theirs. */
export const objectsOf = (yaml: string): readonly Resource[] =>
  parseAllDocuments(yaml)
    .map((one) => one.toJS() as Resource | null)
    .filter((one) => one !== null)
    .sort((a, b) => (titleOf(a) < titleOf(b) ? -1 : 1));

/** Every image that a Pod of these objects runs. */
export const imagesOf = (objects: readonly Resource[]): readonly string[] =>
  objects
    .flatMap(({ spec }) => [
      ...(spec?.template?.spec?.containers ?? []),
      ...(spec?.template?.spec?.initContainers ?? []),
    ])
    .map(({ image }) => image);

export const objectOf = (objects: readonly Resource[], kind: string, name: string): Resource => {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
};
