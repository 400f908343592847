import t from 'tap';
import type { Api } from '../../kube/client.ts';
import { mayI, whoAmI } from '../../kube/review.ts';

/** An API that answers one thing, and remembers what it was asked. */
const answering = (answer: unknown) => {
  const asked: unknown[] = [];
  const api: Api = {
    server: 'https://x',
    request: async (...given) => {
      asked.push(given);
      return answer;
    },
    watch: async () => {},
    close: () => {},
  };
  return { api, asked };
};

const user = (userInfo: unknown) => answering({ status: { userInfo } });

t.test('the name of the node is that of the SelfSubjectReview', async (t) => {
  const { api, asked } = user({ username: 'system:node:a.example', groups: ['system:nodes'] });
  t.same(await whoAmI(api), {
    username: 'system:node:a.example',
    nodeName: 'a.example',
  });
  t.match(asked, [
    ['POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { body: { kind: 'SelfSubjectReview' } }],
  ]);
});

t.test('a token that is bound to a node names it', async (t) => {
  const username = 'system:serviceaccount:rcm-node:rcm-node';
  const extra = { 'authentication.kubernetes.io/node-name': ['a'] };
  t.match(await whoAmI(user({ username, extra }).api), { username, nodeName: 'a' });
  t.match(await whoAmI(user({ username, extra: null }).api, AbortSignal.timeout(60_000)), {
    nodeName: undefined,
  });
  t.match(await whoAmI(user(undefined).api), { username: '', nodeName: undefined });
});

t.test('each verb is reviewed separately', async (t) => {
  const attributes = { verb: 'list', group: 'runtime.spinkube.dev', resource: 'shims' };
  const yes = answering({ status: { allowed: true, reason: 'RBAC' } });
  t.same(await mayI(yes.api, attributes), { allowed: true, reason: 'RBAC' });
  t.match(yes.asked, [
    ['POST', /selfsubjectaccessreviews$/, { body: { spec: { resourceAttributes: attributes } } }],
  ]);
  const no = answering({ status: { allowed: false } });
  t.same(await mayI(no.api, attributes, AbortSignal.timeout(60_000)), { allowed: false, reason: '' });
});

t.test('an invalid review is a failure', async (t) => {
  t.match(await whoAmI(answering({}).api).catch((error: unknown) => error), {
    problem: { code: 'api-unreachable' },
  });
  t.match(
    await mayI(answering([]).api, { verb: 'get', resource: 'nodes' }).catch((error: unknown) => error),
    { problem: { code: 'api-unreachable' } },
  );
});
