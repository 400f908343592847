import t from 'tap';
import { bestFirst, matches, withDefaultName, withoutScheme } from '../../daemon/registries/match.ts';

/** The kubelet's own examples and those of its tests, by their meaning. */
t.test('hosts match part by part, with the same port and the beginning of the path', async (t) => {
  const table: readonly (readonly [string, string, string, boolean])[] = [
    ['123456789.dkr.ecr.us-east-1.amazonaws.com', '123456789.dkr.ecr.us-east-1.amazonaws.com', 'a', true],
    ['*.azurecr.io', 'team.azurecr.io', 'a', true],
    ['*.azurecr.io', 'a.b.azurecr.io', 'a', false],
    ['*.io', 'k8s.azurecr.io', 'a', false],
    ['gcr.io', 'gcr.io', 'project/x', true],
    ['gcr.io', 'eu.gcr.io', 'project/x', false],
    ['*.*.registry.io', 'a.b.registry.io', 'x', true],
    ['app*.k8s.io', 'app2.k8s.io', 'x', true],
    ['k8s.*', 'k8s.io', 'x', true],
    ['registry.io:8080/path', 'registry.io:8080', 'path/x', true],
    ['registry.io:8080/path', 'registry.io', 'path/x', false],
    ['registry.io', 'registry.io:8080', 'path/x', false],
    ['registry.io/path', 'registry.io', 'pathology', true],
    ['registry.io/path', 'registry.io', 'other/path', false],
    ['Registry.IO', 'registry.io', 'x', true],
    ['*', 'localhost', 'x', true],
  ];
  for (const [pattern, host, repository, is] of table)
    t.equal(matches(pattern, { host, repository }), is, `${pattern} ${host}/${repository}`);
});

t.test('of several matches, the more specific one is first', async (t) => {
  t.same(bestFirst(['a.io', 'a.io/x/y', 'a.io/x', '*.io']), ['a.io/x/y', 'a.io/x', 'a.io', '*.io']);
});

t.test('a key may be a URL, and Docker Hub has its own names', async (t) => {
  const key = (text: string) => withDefaultName(withoutScheme(text));
  t.equal(key('https://index.docker.io/v1/'), 'docker.io');
  t.equal(key('https://a.example/v2/team/'), 'a.example/team');
  t.equal(key('a.example:5000'), 'a.example:5000');
  t.equal(key('registry-1.docker.io/x'), 'docker.io/x');
});
