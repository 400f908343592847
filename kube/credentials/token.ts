/**
 * What a service account's token says of itself (a JWT, RFC 7519), and when it is to be renewed. Nothing is verified here:
 * that is the API server's work, and what is read only tells when to ask for the next one.
 */
import { type Fields, fields, parseJson } from '../../protocol/json.ts';

export type TokenFacts = {
  /** Epoch milliseconds. */
  readonly issued: number | undefined;
  readonly expires: number | undefined;
  readonly namespace: string | undefined;
  readonly serviceAccount: { readonly name: string; readonly uid: string } | undefined;
  readonly node: { readonly name: string; readonly uid: string } | undefined;
  /** Bound to a Pod, with which it ends: what the bootstrap brings, to be exchanged for one that is bound to the Node. */
  readonly ofPod: boolean;
};

const named = (value: unknown): { readonly name: string; readonly uid: string } | undefined => {
  const { name, uid } = fields(value);
  return typeof name === 'string' && typeof uid === 'string' ? { name, uid } : undefined;
};

export const tokenFacts = (token: string): TokenFacts => {
  const claims = claimsOf(token);
  // What no Date can hold could not even be said to have run out.
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
 * After a fifth of its life: the rest is how long the API server may be away without taking the node's identity with it.
 * A Pod's is exchanged at once; one that says nothing of itself is never renewed.
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

/** Less than this is left to none of them: a start that waits for its image may take as long. */
const tooLate = 600_000;

/** Whether a token is to be put in the place of the one that a node has, if any. */
export const replaces = (brought: TokenFacts, present: TokenFacts | undefined, now: number): boolean =>
  present === undefined ||
  present.ofPod ||
  present.expires === undefined ||
  present.expires - tooLate <= now ||
  // A Node or an account that was deleted and made anew has another uid, and its former tokens are worth nothing.
  present.node?.uid !== brought.node?.uid ||
  present.namespace !== brought.namespace ||
  present.serviceAccount?.uid !== brought.serviceAccount?.uid;
