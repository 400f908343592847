/** Asks the API server who we are to it, and what we may do. */
import type { Api } from './client.ts';
import { ApiFailure } from './failure.ts';
import { type Fields, fields, isFields, text, texts } from '../protocol/json.ts';

export type Identity = {
  readonly username: string;
  /** Absent if the credentials do not belong to a node. */
  readonly nodeName: string | undefined;
};

export type Attributes = {
  readonly verb: string;
  readonly group?: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly name?: string;
  readonly namespace?: string;
  /** The field selector of a list or watch: a node may read only its own Node. */
  readonly field?: { readonly key: string; readonly value: string };
};

const statusOf = (answer: unknown): Fields => {
  const { status } = fields(answer);
  if (isFields(status)) return status;
  throw new ApiFailure(
    'api-unreachable',
    'what answered is no API server: a review came back without a status',
  );
};

const nodePrefix = 'system:node:';
/** The key in `extra` for a token that is bound to a Node, or to a Pod on a Node. */
const nodeExtra = 'authentication.kubernetes.io/node-name';

/** Our identity as the API server sees it: the name of the Node is never derived from the host name. */
export const whoAmI = async (api: Api, signal?: AbortSignal): Promise<Identity> => {
  const kind = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const { userInfo } = statusOf(
    await api.request('POST', path, { body: kind, ...(signal === undefined ? {} : { signal }) }),
  );
  const user = fields(userInfo);
  const username = text(user.username) ?? '';
  const extra = texts(fields(user.extra)[nodeExtra])[0];
  return {
    username,
    nodeName: username.startsWith(nodePrefix) ? username.slice(nodePrefix.length) : extra,
  };
};

/** One verb per request: the node authorizer does not list its rules. */
export const mayI = async (
  api: Api,
  { field, ...attributes }: Attributes,
  signal?: AbortSignal,
): Promise<{ readonly allowed: boolean; readonly reason: string }> => {
  const kind = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview' };
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  // https://kubernetes.io/docs/reference/access-authn-authz/authorization/#using-field-or-label-selectors-for-authorization
  const fieldSelector = field && {
    requirements: [{ key: field.key, operator: 'In', values: [field.value] }],
  };
  const resourceAttributes = { ...attributes, ...(fieldSelector === undefined ? {} : { fieldSelector }) };
  const body = { ...kind, spec: { resourceAttributes } };
  const status = statusOf(
    await api.request('POST', path, { body, ...(signal === undefined ? {} : { signal }) }),
  );
  return { allowed: status.allowed === true, reason: text(status.reason) ?? '' };
};
