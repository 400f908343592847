import t from 'tap';
import { type Distro, type Refused, pick, type Served } from '../../daemon/runtimes/distro.ts';
import { problemOf } from '../../protocol/problem/problem.ts';

const row = (name: string, level: Served['level'], units?: RegExp): Served => ({
  name,
  level,
  evidence: [],
  why: '',
  ...(units ? { runner: { units, argv: ['/bin/x'] } } : {}),
});
const refused: Refused = {
  ...row('Sealed OS', 'system'),
  refused: 'nothing may be written',
  wayOut: 'Use another.',
};

const asked = (found: readonly Distro[], unit?: string): unknown => {
  try {
    return pick(found, unit)?.name;
  } catch (error) {
    return problemOf(error);
  }
};

t.test('the strongest row is used, and without one the host is plain', async (t) => {
  t.equal(asked([]), undefined);
  t.equal(asked([row('kubeadm', 'installer')]), 'kubeadm');
  t.equal(asked([row('kubeadm', 'installer'), row('kind', 'distribution')]), 'kind');
  t.equal(asked([row('Flatcar', 'system'), row('kubeadm', 'installer')]), 'Flatcar');
});

t.test('two of the same strength are refused, and the way out is named', async (t) => {
  t.match(asked([row('a', 'distribution'), row('b', 'distribution'), row('c', 'installer')]), {
    code: 'unsupported-host',
    message: 'this host looks like a and b at once',
    hint: /runtime\.unit/,
  });
});

t.test('the unit that a person names decides between rows of different units', async (t) => {
  const both = [row('k3s', 'distribution', /^k3s/), row('RKE2', 'distribution', /^rke2/)];
  t.equal(asked(both, 'rke2-agent.service'), 'RKE2');
  t.match(asked(both), { code: 'unsupported-host' });
  t.equal(asked([...both, row('kubeadm', 'installer')], 'containerd.service'), 'kubeadm');
});

t.test('an unsupported row is refused beside every other one, with reason and way out', async (t) => {
  for (const found of [
    [refused],
    [row('k3s', 'distribution'), refused],
    [refused, row('kubeadm', 'installer')],
  ])
    t.match(asked(found, 'containerd.service'), {
      code: 'unsupported-host',
      message: 'this is Sealed OS: nothing may be written',
      hint: 'Use another.',
    });
});
