import t from 'tap';
import { thrownProblem } from '../../testbed/failure.ts';
import { needRoot } from '../../cli/need-root.ts';
import { hintOf } from '../../protocol/problem/problem.ts';

const refusal = (name: Parameters<typeof needRoot>[0]['name'], root = '/', uid: number | undefined = 1000) =>
  thrownProblem(() => needRoot({ name, root }, uid));

t.test('a read-only command names what it cannot read', async (t) => {
  for (const name of ['plan', 'doctor'] as const) {
    const problem = refusal(name);
    t.match(problem, { code: 'needs-root', message: /changes nothing, but reads .* uid 1000.*ledger/ });
    t.notMatch(problem?.message, 'changes this host');
    t.match(problem && hintOf(problem), `sudo rcm-node ${name}`);
    t.match(problem && hintOf(problem), 'rcm-node status');
  }
});

t.test('a command that changes a host or an image says which', async (t) => {
  t.match(refusal('once')?.message, '"rcm-node once" changes this host');
  t.match(refusal('uninstall', '/mnt/image')?.message, 'changes /mnt/image');
  const problem = refusal('plan', '/mnt/image');
  t.match(problem && hintOf(problem), 'sudo rcm-node plan --root /mnt/image');
});

t.test('root may run every command, and other users read what is public', async (t) => {
  for (const name of ['run', 'once', 'plan', 'doctor', 'uninstall'] as const)
    t.equal(refusal(name, '/', 0), undefined, name);
  for (const name of ['status', 'version', 'bootstrap', 'controller'] as const)
    t.equal(refusal(name), undefined, name);
});
