/** A service account, as a thief of its token would be. */
import type { Client } from './client.ts';
import type { Cluster } from './cluster.ts';

export type TokenAnswer = { readonly status: { readonly token: string } };

/** `spec` of the TokenRequest: what the token is bound to, and for how long. */
export const accountOf = async (
  cluster: Cluster,
  namespace: string,
  name: string,
  spec: object = {},
): Promise<Client> => {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
  const answer = await cluster.admin.request('POST', path, { body });
  if (answer.status !== 201) throw new Error(`no token for ${namespace}/${name}: ${answer.text}`);
  return cluster.as({ token: (answer.json as TokenAnswer).status.token });
};
