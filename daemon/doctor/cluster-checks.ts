/** The part of `doctor` that is about the cluster: who we are there, and whether each thing we do there is allowed. */
import { paths } from '../../protocol/host-paths.ts';
import { tokenFacts } from '../../kube/credentials/token.ts';
import type { Api } from '../../kube/client.ts';
import type { Host } from '../../host/host.ts';
import type { Attributes } from '../../kube/review.ts';
import { parseClusterCache } from '../model/cluster-cache.ts';
import { problemOf } from '../../protocol/problem/problem.ts';
import type { Settings } from '../model/settings.ts';
import { bad, type Check, good } from './check.ts';
import { findIdentity, type Identity } from '../cluster/identity.ts';
import { leasePathIn, readNamespace } from '../cluster/namespace.ts';

/**
 * What is asked of the API, one review each: the node authorizer does not list rules
 * (https://github.com/kubernetes/kubernetes/blob/v1.36.0/plugin/pkg/auth/authorizer/node/node_authorizer.go).
 */
const needs = (node: string): readonly Attributes[] => [
  ...(['get', 'list', 'watch'] as const).map((verb) => ({
    verb,
    group: 'runtime.spinkube.dev',
    resource: 'shims',
  })),
  ...(['get', 'patch'] as const).map((verb) => ({ verb, group: '', resource: 'nodes', name: node })),
  // The server takes the name out of the field selector; in a review it wants it said.
  ...(['list', 'watch'] as const).map((verb) => ({
    verb,
    group: '',
    resource: 'nodes',
    name: node,
    field: { key: 'metadata.name', value: node },
  })),
  { verb: 'create', group: '', resource: 'events', namespace: 'default' },
];

/** A service account's token asks for the next one; whose it is, it says itself. */
const renewal = async (host: Host, { mode }: Identity): Promise<readonly Attributes[]> => {
  const fact = mode === 'kubelet' ? undefined : await host.files.lookTrusted(paths.token);
  if (fact?.kind !== 'regular') return [];
  const { namespace, serviceAccount } = tokenFacts(fact.text.trim());
  if (namespace === undefined || serviceAccount === undefined) return [];
  const { name } = serviceAccount;
  return [{ verb: 'create', group: '', resource: 'serviceaccounts', subresource: 'token', namespace, name }];
};

export const clusterChecks = async (host: Host, settings: Settings): Promise<readonly Check[]> => {
  if (settings.closed)
    return [
      {
        what: 'cluster',
        verdict: 'unknown',
        says: 'not checked: the settings do not tell the identity of this node',
      },
    ];
  if (settings.cluster.identity === 'none') return [good('cluster', 'not asked: identity = "none"')];
  const identity = await findIdentity(host, settings.cluster);
  if (!identity)
    return [
      {
        what: 'cluster',
        verdict: 'unknown',
        says: 'no kubelet runs here, so only local files are served',
        hint: 'This is correct for a host that has not joined a cluster; otherwise set cluster.kubeconfig in /etc/rcm-node/config.toml.',
      },
    ];
  const { mayI } = await import('../../kube/review.ts');
  let api: Api | undefined;
  try {
    api = await identity.connect();
    const node = await identity.nodeName(api);
    const checks: Check[] = [
      good('cluster', `${api.server} knows this node as ${node} (${identity.mode}, ${identity.kubeconfig})`),
    ];
    const refused: string[] = [];
    for (const review of [...needs(node), ...(await renewal(host, identity))]) {
      const { allowed } = await mayI(api, review);
      const { verb, resource, subresource } = review;
      if (!allowed) refused.push(`${verb} ${resource}${subresource ? `/${subresource}` : ''}`);
    }
    checks.push(
      refused.length === 0
        ? good('rights', 'all requests of rcm-node to the API server are allowed')
        : {
            what: 'rights',
            verdict: 'bad',
            says: `not allowed: ${refused.join(', ')}`,
            hint: 'kubectl apply -k bootstrap/ installs the ClusterRole and its binding; a node may patch only its own Node.',
          },
    );
    return [...checks, await approvals(host, api), ...(await lastAnswer(host))];
  } catch (error) {
    const problem = problemOf(error);
    return [bad('cluster', problem), ...(await lastAnswer(host))];
  } finally {
    api?.close();
  }
};

/** No right of ours: without it nodes go ahead as if there were no controller. */
const approvals = async (host: Host, api: Api): Promise<Check> => {
  let namespace: string;
  try {
    namespace = await readNamespace(host);
  } catch (error) {
    return bad('approvals', problemOf(error));
  }
  try {
    await api.request('GET', leasePathIn(namespace));
    return good(
      'approvals',
      'the Lease of the controller is readable: a controller approves changes, or did',
    );
  } catch (error) {
    const { code } = problemOf(error);
    if (code === 'api-missing')
      return good(
        'approvals',
        `no controller runs in the namespace ${namespace}: nodes schedule changes themselves, spread over cluster.spread`,
      );
    if (code !== 'api-forbidden') throw error;
    return {
      what: 'approvals',
      verdict: 'warn',
      says: 'this node may not read the Lease of the controller, so it schedules changes itself',
      hint: 'kubectl apply -k bootstrap/ grants it, and installs the controller.',
    };
  }
};

const lastAnswer = async (host: Host): Promise<readonly Check[]> => {
  try {
    const fact = await host.files.lookTrusted(paths.cluster);
    if (fact.kind === 'absent') return [];
    if (fact.kind !== 'regular') throw new Error('the file cannot be read');
    const { shims } = parseClusterCache(fact.text, paths.cluster);
    return [good('shims', `${shims.length} Shims of the cluster select this node`)];
  } catch (error) {
    return [bad('shims', problemOf(error))];
  }
};
