import t from 'tap';
import { parseArguments } from '../../demo/arguments.ts';

t.test('the demo runs without arguments, and keeps the node on request', async (t) => {
  t.same(parseArguments([]), { kind: 'demo', keep: false });
  t.same(parseArguments(['--keep']), { kind: 'demo', keep: true });
});

t.test('only a node of the demo can be removed', async (t) => {
  t.same(parseArguments(['--remove', 'rcm-demo-12']), { kind: 'remove', node: 'rcm-demo-12' });
  t.match(parseArguments(['--remove', '../../etc']), { kind: 'usage' });
});

t.test('what is kept can be removed, and nothing else in the same run', async (t) => {
  t.same(parseArguments(['--clean']), { kind: 'clean' });
  t.match(parseArguments(['--clean', '--keep']), { kind: 'usage' });
  t.match(parseArguments(['--clean', '--remove', 'rcm-demo-12']), { kind: 'usage' });
});

t.test('unknown arguments are named', async (t) => {
  t.match(parseArguments(['--quick']), { kind: 'usage', message: /--quick/ });
  t.match(parseArguments(['--keep', '--remove', 'rcm-demo-1']), { kind: 'usage' });
});
