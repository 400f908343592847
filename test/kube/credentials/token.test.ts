import t from 'tap';
import { renewAt, replaces, tokenFacts, tokenPath, tokenRequest } from '../../../kube/credentials/token.ts';

const token = (claims: unknown): string =>
  `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2lnbmF0dXJl`;

t.test('a token that is bound to a Node has its name and its lifetime', async (t) => {
  const facts = tokenFacts(
    token({
      iat: 1000,
      exp: 2000,
      'kubernetes.io': {
        namespace: 'rcm-node',
        node: { name: 'n', uid: 'u' },
        serviceaccount: { name: 'rcm-node', uid: 's' },
      },
    }),
  );
  t.same(facts, {
    issued: 1_000_000,
    expires: 2_000_000,
    namespace: 'rcm-node',
    serviceAccount: { name: 'rcm-node', uid: 's' },
    node: { name: 'n', uid: 'u' },
    ofPod: false,
  });
  t.equal(renewAt(facts), 1_200_000, 'with four fifths of its life left');
});

t.test('a token of the bootstrap Pod ends with the Pod, and is exchanged at once', async (t) => {
  const facts = tokenFacts(
    token({
      iat: 1000,
      exp: 2000,
      'kubernetes.io': { pod: { name: 'p', uid: 'u' }, node: { name: 'n', uid: 'v' } },
    }),
  );
  t.equal(facts.ofPod, true);
  t.equal(renewAt(facts), 1_000_000);
});

t.test('an invalid token has no claims, and is never renewed', async (t) => {
  for (const text of [
    '',
    'x',
    'a.b.c',
    `.${Buffer.from('[]').toString('base64url')}.`,
    token(null),
    token({ exp: 'x' }),
  ]) {
    const facts = tokenFacts(text);
    t.equal(facts.expires, undefined);
    t.equal(facts.node, undefined);
    t.equal(renewAt(facts), undefined);
  }
});

t.test('a token is requested for this Node only', async (t) => {
  t.match(tokenRequest({ name: 'n', uid: 'u' }), {
    spec: { boundObjectRef: { apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u' } },
  });
  t.equal(tokenPath('a/b', 'c'), '/api/v1/namespaces/a%2Fb/serviceaccounts/c/token');
});

t.test(
  'a token of the bootstrap replaces no better one: of this Node, of this account, with time left',
  async (t) => {
    const facts = (over: object = {}, claims: object = {}) =>
      tokenFacts(
        token({
          iat: 1000,
          exp: 10_000,
          'kubernetes.io': {
            namespace: 'rcm-node',
            node: { name: 'n', uid: 'u' },
            serviceaccount: { name: 'rcm-node', uid: 's' },
            ...over,
          },
          ...claims,
        }),
      );
    const brought = facts({ pod: { name: 'p', uid: 'x' } });
    t.equal(replaces(brought, facts(), 5_000_000), false);
    t.equal(replaces(brought, undefined, 5_000_000), true, 'there is none');
    t.equal(replaces(brought, brought, 5_000_000), true, 'it was not exchanged yet');
    t.equal(replaces(brought, facts(), 9_500_000), true, 'it is about to run out');
    t.equal(replaces(brought, facts({ node: { name: 'n', uid: 'v' } }), 5_000_000), true, 'of a former Node');
    const anew = { serviceaccount: { name: 'rcm-node', uid: 't' } };
    t.equal(replaces(brought, facts(anew), 5_000_000), true, 'of an account that was made anew since');
    t.equal(replaces(brought, tokenFacts('garbage'), 5_000_000), true);
  },
);
