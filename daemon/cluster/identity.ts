/**
 * The identity of this node in its cluster: its kubelet, or a service account whose token is bound to this Node. The
 * settings choose one; the other one is never used instead, because the identity decides the permissions.
 */
import { kubeconfigs } from '../runtimes/distros.ts';
import { paths } from '../../protocol/host-paths.ts';
import { renewAt, tokenFacts, tokenPath, tokenRequest } from '../../kube/credentials/token.ts';
import type { Api } from '../../kube/client.ts';
import type { Host } from '../../host/host.ts';
import { Failure, logFields, printProblem, problemOf } from '../../protocol/problem/problem.ts';
import type { ClusterSettings } from '../model/settings.ts';

export type Identity = {
  readonly mode: 'kubelet' | 'serviceaccount';
  /** The kubeconfig that names the API server. */
  readonly kubeconfig: string;
  connect(): Promise<Api>;
  /** The name by which the API server knows the Node; the host name may differ. */
  nodeName(api: Api): Promise<string>;
  /** Renews the identity when it is due; cheap otherwise. Logs each reason of a failure once. */
  renew(api: Api): Promise<void>;
};

/** Undefined: this host is in no cluster, or not yet. Throws when it should be and the identity cannot be used. */
export const findIdentity = async (host: Host, settings: ClusterSettings): Promise<Identity | undefined> => {
  if (settings.identity === 'none') return undefined;
  const kubeconfig = settings.kubeconfig ?? (await host.kubeconfig(kubeconfigs));
  if (kubeconfig === undefined) return undefined;
  const { connectApi } = await import('../../kube/client.ts');
  const { kubeconfigCredentials, tokenCredentials } = await import('../../kube/credentials/kubeconfig.ts');
  const { rootsAlone } = await import('../../kube/credentials/credential-files.ts');
  const { whoAmI } = await import('../../kube/review.ts');
  const mode = settings.identity;
  const files = rootsAlone(host.files);
  const credentials =
    mode === 'kubelet'
      ? kubeconfigCredentials(kubeconfig, files, host.tools, host.clock)
      : tokenCredentials(kubeconfig, files, () => readToken(host), host.clock);
  const state = { failure: '' };
  return {
    mode,
    kubeconfig,
    connect: async () => connectApi(credentials, host.clock),
    // The kubelet renews its own certificate; each new connection reads it again.
    renew: async (api) => {
      if (mode === 'kubelet') return;
      try {
        await renewToken(host, api);
        state.failure = '';
      } catch (error) {
        const problem = problemOf(error);
        // Otherwise an outage of the API server would be logged at every tick.
        if (state.failure !== problem.code)
          host.log('warn', `cannot renew the token: ${printProblem(problem)}`, logFields(problem));
        state.failure = problem.code;
      }
    },
    nodeName: async (api) => {
      const { username, nodeName } = await whoAmI(api);
      if (nodeName !== undefined) return nodeName;
      throw new Failure({
        code: 'no-identity',
        message: `the API server identifies these credentials as "${username}", which is not a node`,
        where: { file: mode === 'kubelet' ? kubeconfig : paths.token },
      });
    },
  };
};

/** Throws `no-identity` for a token that is missing or expired. */
const readToken = async (host: Host): Promise<string> => {
  const fact = await host.files.lookTrusted(paths.token);
  if (fact.kind !== 'regular')
    throw new Failure({
      code: 'no-identity',
      message: 'there is no token of the service account',
      where: { file: paths.token },
      hint: 'The bootstrap Pod of the serviceaccount overlay writes it: kubectl get pods -A -l app.kubernetes.io/name=rcm-node.',
    });
  const token = fact.text.trim();
  const { expires } = tokenFacts(token);
  if (expires !== undefined && expires <= host.clock.now())
    throw new Failure({
      code: 'no-identity',
      message: `the token of the service account expired at ${new Date(expires).toISOString()}`,
      where: { file: paths.token },
      hint: 'The API server was unreachable for longer than the lifetime of a token: restart the bootstrap Pod of this node.',
    });
  return token;
};

const renewToken = async (host: Host, api: Api): Promise<void> => {
  const fact = await host.files.lookTrusted(paths.token);
  if (fact.kind !== 'regular') return;
  const facts = tokenFacts(fact.text.trim());
  const due = renewAt(facts);
  const { namespace, serviceAccount, node } = facts;
  if (due === undefined || host.clock.now() < due || !namespace || !serviceAccount || !node) return;
  const answer = (await api.request('POST', tokenPath(namespace, serviceAccount.name), {
    body: tokenRequest(node),
  })) as { readonly status?: { readonly token?: unknown } };
  const token = answer.status?.token;
  if (typeof token !== 'string' || tokenFacts(token).expires === undefined)
    throw new Failure({ code: 'no-identity', message: 'the API server gave no token' });
  await host.files.put(paths.token, `${token}\n`, 0o600);
  host.log('info', 'renewed the token of the service account');
};
