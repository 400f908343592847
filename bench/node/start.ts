/** How long a person waits for `rcm-node status`. */
import { executable } from '../../testbed/node/install.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import { median, type Row } from '../row.ts';

const runs = 20;

export const measureStart = async (node: TestNode): Promise<readonly Row[]> => {
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const from = performance.now();
    await node.run([executable, 'status']);
    times.push(performance.now() - from);
  }
  return [
    {
      what: 'rcm-node status',
      value: median(times),
      unit: 'ms',
      limit: 60,
      how: `median of ${runs}, from start to end, entering the node included`,
    },
  ];
};
