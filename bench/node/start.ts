/**
 * How long a person waits for `rcm-node status`; and what the start of a Node without work takes, with which times of machines that
 * are not equally fast can be compared.
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { executable } from '../../testbed/node/install.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import { median, type Row } from '../row.ts';
import { processorMs } from './site.ts';

const runs = 20;

/** The same Node that is in the executable, and the library that the executable brings for it. */
const folder = '/opt/bench';
const nodeAt = `${folder}/node`;
const env = { LD_LIBRARY_PATH: folder };

const placeNode = async (node: TestNode): Promise<void> => {
  mkdirSync(join(node.root, folder), { recursive: true });
  copyFileSync(process.execPath, join(node.root, nodeAt));
  const own = dirname((await node.run(['readlink', '-f', executable])).trim());
  await node.run(['cp', `${own}/libatomic.so.1`, folder]);
};

/** Milliseconds of processor time that one start takes, mean of those of a unit, as the service's are told. */
const emptyProcessorMs = async (node: TestNode): Promise<number> => {
  const unit = 'bench-empty.service';
  const lines = ['[Service]', 'Type=oneshot', 'RemainAfterExit=yes', `Environment=LD_LIBRARY_PATH=${folder}`];
  const starts = Array.from({ length: runs }, () => `ExecStart=${nodeAt} --eval ""`);
  await node.writeFile(`/etc/systemd/system/${unit}`, [...lines, ...starts, ''].join('\n'));
  await node.run(['systemctl', 'daemon-reload']);
  await node.run(['systemctl', 'restart', unit]);
  return (await processorMs(node, unit)) / runs;
};

const timeOf = async (work: () => Promise<unknown>): Promise<number> => {
  const from = performance.now();
  await work();
  return performance.now() - from;
};

export type Start = { readonly rows: readonly Row[]; readonly emptyProcessorMs: number };

export const measureStart = async (node: TestNode): Promise<Start> => {
  await placeNode(node);
  const [status, empty]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run += 1) {
    status.push(await timeOf(() => node.run([executable, 'status'])));
    empty.push(await timeOf(() => node.run([nodeAt, '--eval', ''], { env })));
  }
  return {
    emptyProcessorMs: await emptyProcessorMs(node),
    rows: [
      {
        what: 'rcm-node status',
        value: median(status),
        unit: 'ms',
        how: `median of ${runs}, from start to end, entering the node included`,
      },
      {
        what: 'rcm-node status, against a Node without work',
        value: median(status) / median(empty),
        unit: 'ratio',
        limit: 2.25,
        how: `medians of ${runs}, alternating: ${Math.round(median(empty))} ms for node --eval ""`,
      },
    ],
  };
};
