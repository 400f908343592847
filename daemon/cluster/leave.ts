/** Removes our labels and annotations from the own Node, for a host that leaves its cluster. */
import type { Api } from '../../kube/client.ts';
import type { Host } from '../../host/host.ts';
import { printProblem, problemOf } from '../../protocol/problem/problem.ts';
import type { ClusterSettings } from '../model/settings.ts';
import { findIdentity } from './identity.ts';
import { clearNode } from './node-writer.ts';

/** Returns what stays, and why: an unavailable API server must not stop an uninstall. */
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
    // A deleted Node has no labels to remove.
    if (problem.code === 'api-missing') return [];
    const why = `its annotations and labels could not be removed: ${printProblem(problem)}`;
    return [{ path: name, why }];
  } finally {
    api?.close();
  }
};
