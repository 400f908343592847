import t from 'tap';
import { invalidity, overwrittenBy, rejected } from '../../../../controller/decide/shims/class-messages.ts';
import { aShim } from '../../../../testbed/controller/facts.ts';

const asking = aShim('spin', { classSettings: { overhead: { podFixed: { cpu: '1' } } } });

t.test('each says what is wrong and what to do', async (t) => {
  t.equal(invalidity(asking), undefined);
  t.match(invalidity(aShim('spin', { handler: 'a.b' })), /"a\.b".* another spec\.runtimeClass\.handler$/);
  t.match(invalidity(aShim('spin', { runtimeClass: 'A' })), /"A".* another spec\.runtimeClass\.name$/);
  t.match(
    invalidity(aShim('spin', { classSettings: { labels: { 'k8s.io/a': 'x' } } })),
    /"k8s\.io\/a" in spec\.runtimeClass\.labels .*; take it out/,
  );
  t.match(
    overwrittenBy('a', ['flux', 'helm']),
    /^the RuntimeClass a is .* by flux and helm, so .* another spec/,
  );
  t.match(overwrittenBy('a', []), /by another program, which the API server does not name, so/);
});

t.test('a refusal points to spec.runtimeClass where that can be the cause', async (t) => {
  t.match(
    rejected(asking, undefined, 'no'),
    /^the RuntimeClass class-spin is to be changed, but the API server rejects it: no; .* of this Shim$/,
  );
  t.match(rejected(aShim('spin'), 'it is made', 'no'), /^it is made, but the API server rejects it: no$/);
});
