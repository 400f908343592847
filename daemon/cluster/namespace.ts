/**
 * The namespace of its cluster that rcm-node is in, where the Lease of the controller is. A node that looked in another one
 * would find no controller, and go ahead without approval: what cannot be read is an error, and not the usual namespace.
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

/** Of the controller; bootstrap/controller has it and its Deployment. */
export const leasePathIn = (namespace: string): string =>
  `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${controllerName}`;
