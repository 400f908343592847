/** `rcm-node controller`: what the Deployment runs. */
import { hostname } from 'node:os';
import { realClock } from '../host/host.ts';
import { asGiven } from '../kube/credentials/credential-files.ts';
import { inClusterCredentials, podNamespace } from '../kube/credentials/in-cluster.ts';
import { kubeconfigCredentials } from '../kube/credentials/kubeconfig.ts';
import { makeLog } from '../host/log.ts';
import { makeTools } from '../host/exec.ts';
import { exitCodes } from '../daemon/model/outcome.ts';
import { usualNamespace } from '../protocol/node-annotations.ts';
import { decideFleet } from './decide/decide.ts';
import { startController } from './run.ts';

export type ControllerCommand = {
  /** Absent: the service account of the Pod that this runs in. */
  readonly kubeconfig?: string;
  /** Of the metrics. */
  readonly listen: string;
  readonly probes: string;
  /** Absent: that of the Pod. */
  readonly namespace?: string;
  readonly knative: boolean;
};

export const controller = async (
  command: ControllerCommand,
  given: {
    readonly version: string;
    readonly write: (line: string) => void;
    readonly onStop: (stop: () => void) => void;
  },
): Promise<number> => {
  const { kubeconfig, listen, probes, knative } = command;
  const log = makeLog({ journal: false, level: 'info', write: given.write });
  const credentials =
    kubeconfig === undefined
      ? inClusterCredentials(process.env, realClock)
      : kubeconfigCredentials(kubeconfig, asGiven, makeTools(), realClock);
  const namespace = command.namespace ?? (kubeconfig === undefined ? podNamespace() : usualNamespace);
  // The first process of a container is not ended by a signal that it does not wait for.
  const ended = new Promise<void>((resolve) => given.onStop(resolve));
  const running = await startController({
    ...{ credentials, log, listen, probes, namespace, knative },
    ...{ clock: realClock, host: hostname(), decide: decideFleet },
  });
  log('info', `rcm-node controller ${given.version}`, {
    port: running.port,
    probes: running.probes,
    namespace,
  });
  await ended;
  await running.stop();
  log('info', 'stopped');
  return exitCodes.settled;
};
