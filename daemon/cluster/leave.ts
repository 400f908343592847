/** Takes our marks off the own Node, for a host that is to have no part in its cluster any more. */
import type { Api } from '../../kube/client.ts';
import type { Host } from '../../host/host.ts';
import { printProblem, problemOf } from '../../protocol/problem/problem.ts';
import type { ClusterSettings } from '../model/settings.ts';
import { findIdentity } from './identity.ts';
import { clearNode } from './node-writer.ts';

/** What stays, and why: an API server that is away must not keep a host from being cleaned. */
export const leaveCluster = async (
  host: Host,
  settings: ClusterSettings,
): Promise<readonly { readonly path: string; readonly why: string }[]> => {
  let api: Api | undefined;
  let name = 'Node';
  try {
    const identity = await findIdentity(host, settings);
    if (!identity) return [];
    api = await identity.connect();
    const node = await identity.nodeName(api);
    name = `Node ${node}`;
    await clearNode(api, node, identity.mode);
    return [];
  } catch (error) {
    const problem = problemOf(error);
    // A Node that is gone has no marks.
    if (problem.code === 'api-missing') return [];
    const why = `its annotations and labels could not be removed: ${printProblem(problem)}`;
    return [{ path: name, why }];
  } finally {
    api?.close();
  }
};
