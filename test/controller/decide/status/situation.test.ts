import t from 'tap';
import { isFailed } from '../../../../controller/decide/status/situation.ts';
import type { NodeStanding } from '../../../../controller/decide/rollout/node-standing.ts';
import { aNode } from '../../../../testbed/controller/facts.ts';

t.test('a node failed, or another program owns the handler there and it is not served', async (t) => {
  const of = (kind: NodeStanding['kind'], proven: boolean) =>
    isFailed(
      { isProven: () => proven },
      {
        ...{ node: aNode('a'), kind, want: 'r2', serves: false, asks: false, inFlight: false },
        ...{ keep: undefined, tried: undefined, code: undefined },
      },
    );
  t.ok(of('failed', true));
  t.ok(of('claimed', false));
  t.notOk(of('claimed', true));
  t.notOk(of('working', false));
});
