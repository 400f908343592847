/**
 * Credentials of a Pod: its service account's token, which the kubelet replaces every hour, and the address of the API
 * server that every container has in its environment.
 * https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
 */
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { Failure } from '../../protocol/problem/problem.ts';
import { isNamespace } from '../../protocol/node-annotations.ts';
import type { Credentials } from '../connection.ts';
import type { Clock } from '../../host/host.ts';
import { tokenFileCredentials } from './kubeconfig.ts';

const folder = '/var/run/secrets/kubernetes.io/serviceaccount';

const hint = 'Run it in a Pod that has a service account and mounts its token, or give --kubeconfig FILE.';

const noPod = (failure: Failure): Failure => new Failure({ ...failure.problem, hint }, failure);

/** The namespace of this Pod; its service account's token is mounted beside it. Throws Failure `no-identity` outside of one. */
export const podNamespace = (mounted = folder): string => {
  const file = join(mounted, 'namespace');
  try {
    const text = readFileSync(file, 'utf8').trim();
    if (isNamespace(text)) return text;
  } catch (error) {
    const message = 'the namespace of this Pod cannot be read';
    throw noPod(new Failure({ code: 'no-identity', message, where: { file } }, error));
  }
  throw noPod(new Failure({ code: 'no-identity', message: 'this is no namespace', where: { file } }));
};

/** The credentials argument of `connectApi`. Throws Failure `no-identity` outside of a Pod. */
export const inClusterCredentials = (
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
  mounted = folder,
): (() => Promise<Credentials>) => {
  const host = env.KUBERNETES_SERVICE_HOST ?? '';
  const port = env.KUBERNETES_SERVICE_PORT ?? '';
  if (host === '' || port === '') {
    const message = 'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no Pod';
    throw noPod(new Failure({ code: 'no-identity', message }));
  }
  const read = tokenFileCredentials(
    {
      server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
      ca: { kind: 'file', path: join(mounted, 'ca.crt') },
    },
    join(mounted, 'token'),
    clock,
  );
  return async () => {
    try {
      return await read();
    } catch (error) {
      throw error instanceof Failure ? noPod(error) : error;
    }
  };
};
