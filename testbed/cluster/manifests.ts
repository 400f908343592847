/** What a person applies: Shims, the RuntimeClasses and Pods that use them, the samples with what they leave open filled in. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Artifact } from '../artifacts/artifact.ts';
import { locationOf } from '../node/service.ts';
import type { Cluster } from './cluster.ts';

type Labels = Readonly<Record<string, string>>;

export const bootstrapFolder = join(import.meta.dirname, '..', '..', 'bootstrap');

/** A file of `bootstrap/samples`, with texts replaced; each of them has to be there. */
export const sample = (file: string, words: Readonly<Record<string, string>> = {}): string =>
  Object.entries(words).reduce(
    (text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`${file} has no "${from}"`);
      return text.replace(from, to);
    },
    readFileSync(join(bootstrapFolder, 'samples', file), 'utf8'),
  );

/** A Shim whose name is its handler's and its RuntimeClass's; `more` is put beside the other fields of its spec. */
export const shimYaml = (
  name: string,
  artifact: Artifact,
  nodeSelector: Labels = {},
  more: Readonly<Record<string, unknown>> = {},
): string => `
apiVersion: runtime.spinkube.dev/v1alpha1
kind: Shim
metadata:
  name: ${name}
spec:
  nodeSelector: ${JSON.stringify(nodeSelector)}
  fetchStrategy:
    anonHttp:
      location: ${locationOf(artifact)}
      sha256: "${artifact.sha256}"
  runtimeClass: ${JSON.stringify({ name, handler: name, ...(more.runtimeClass as object | undefined) })}
${Object.entries(more)
  .filter(([key]) => key !== 'runtimeClass')
  .map(([key, value]) => `  ${key}: ${JSON.stringify(value)}\n`)
  .join('')}`;

/** As in the samples: the label that rcm-node gives a node while it serves the handler is what Pods wait for. */
export const runtimeClassYaml = (name: string): string => `
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata:
  name: ${name}
handler: ${name}
scheduling:
  nodeSelector:
    shim.rcm.spinkube.dev/${name}: served
`;

/** A Pod of one container; `on` is the Node that it has to run on. */
export const podYaml = (name: string, given: { runtimeClass: string; image: string; on: string }): string => `
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
spec:
  runtimeClassName: ${given.runtimeClass}
  nodeSelector:
    kubernetes.io/hostname: ${given.on}
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: ${given.image}
      imagePullPolicy: Never
`;

export const phaseOf = (cluster: Cluster, pod: string): Promise<string> =>
  cluster.kubectl(['get', 'pod', pod, '-o', 'jsonpath={.status.phase}']);

export const untilPhase = (cluster: Cluster, pod: string, phase: string): Promise<true> =>
  cluster.waitFor(`Pod ${pod} is ${phase}`, async () => (await phaseOf(cluster, pod)) === phase && true);
