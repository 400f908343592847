/**
 * The namespace of rcm-node in its cluster, which has the Lease of the controller. A node that reads another namespace
 * finds no controller, and acts without approval. So an unreadable file is an error, and the default is not used instead.
 */
import { paths } from '../../protocol/host-paths.ts';
import type { Host } from '../../host/host.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { controllerName, isNamespace, usualNamespace } from '../../protocol/node-annotations.ts';

export const readNamespace = async (host: Host): Promise<string> => {
  const fact = await host.files.lookTrusted(paths.namespace);
  if (fact.kind === 'absent') return usualNamespace;
  const text = fact.kind === 'regular' ? fact.text.trim() : '';
  if (isNamespace(text)) return text;
  const why =
    fact.kind === 'unreadable'
      ? fact.why
      : fact.kind === 'foreign'
        ? `it is ${fact.what}`
        : 'it holds no namespace';
  throw new Failure({
    code: 'bad-settings',
    message: `the namespace that rcm-node is in is not known: ${why}`,
    where: { file: paths.namespace },
    hint: `Write the namespace of the controller into it, or remove it where that is ${usualNamespace}. Until then this node does not schedule changes itself.`,
  });
};

/** The Lease of the controller; its name is also in bootstrap/controller. */
export const leasePathIn = (namespace: string): string =>
  `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${controllerName}`;
