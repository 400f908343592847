/**
 * The claims of a service account's token (a JWT, RFC 7519), and when to renew it. Nothing is verified here: the API server
 * does that, and the claims only decide when to request the next token.
 */
import { type Fields, fields, parseJson } from '../../protocol/json.ts';

export type TokenFacts = {
  /** Epoch milliseconds. */
  readonly issued: number | undefined;
  readonly expires: number | undefined;
  readonly namespace: string | undefined;
  readonly serviceAccount: { readonly name: string; readonly uid: string } | undefined;
  readonly node: { readonly name: string; readonly uid: string } | undefined;
  /** Bound to a Pod, and invalid when it ends. Bootstrap writes such a token; it is exchanged for one bound to the Node. */
  readonly ofPod: boolean;
};

const named = (value: unknown): { readonly name: string; readonly uid: string } | undefined => {
  const { name, uid } = fields(value);
  return typeof name === 'string' && typeof uid === 'string' ? { name, uid } : undefined;
};

export const tokenFacts = (token: string): TokenFacts => {
  const claims = claimsOf(token);
  // A time that no Date can hold counts as absent: a message about its expiry could not be printed.
  const time = (value: unknown): number | undefined =>
    typeof value === 'number' && Math.abs(value) <= 8.64e12 ? value * 1000 : undefined;
  const ours = fields(claims['kubernetes.io']);
  return {
    issued: time(claims.iat),
    expires: time(claims.exp),
    namespace: typeof ours.namespace === 'string' ? ours.namespace : undefined,
    serviceAccount: named(ours.serviceaccount),
    node: named(ours.node),
    ofPod: named(ours.pod) !== undefined,
  };
};

const claimsOf = (token: string): Fields =>
  fields(parseJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')));

/**
 * After a fifth of its life: for the rest of it the API server may be unavailable, and the node keeps its identity. A token
 * of a Pod is exchanged at once; one without readable claims is never renewed.
 */
export const renewAt = ({ issued, expires, ofPod }: TokenFacts): number | undefined => {
  if (issued === undefined || expires === undefined) return undefined;
  return ofPod ? issued : issued + (expires - issued) * 0.2;
};

/** A week, unless the API server allows less (--service-account-max-token-expiration). */
const lifeSeconds = 604_800;

/** https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/ */
export const tokenRequest = (node: { readonly name: string; readonly uid: string }): unknown => ({
  apiVersion: 'authentication.k8s.io/v1',
  kind: 'TokenRequest',
  spec: {
    expirationSeconds: lifeSeconds,
    boundObjectRef: { apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid },
  },
});

export const tokenPath = (namespace: string, serviceAccount: string): string =>
  `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(serviceAccount)}/token`;

/** A token with less time left than this counts as expired: a start that waits for its image may take as long. */
const tooLate = 600_000;

/** Whether a new token replaces the one that a node has, if any. */
export const replaces = (brought: TokenFacts, present: TokenFacts | undefined, now: number): boolean =>
  present === undefined ||
  present.ofPod ||
  present.expires === undefined ||
  present.expires - tooLate <= now ||
  // A Node or an account that was deleted and created again has another uid, and its former tokens are invalid.
  present.node?.uid !== brought.node?.uid ||
  present.namespace !== brought.namespace ||
  present.serviceAccount?.uid !== brought.serviceAccount?.uid;
