/**
 * How long the CRI socket is deaf during a restart of containerd: ours, with all that happens around it, against a bare
 * `systemctl restart containerd`. Seen from outside the node, as a kubelet would see it.
 */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Artifact } from '../../testbed/artifacts/artifact.ts';
import { restartContainerd } from '../../testbed/node/containerd.ts';
import { callCri } from '../../testbed/node/cri.ts';
import { executable } from '../../testbed/node/install.ts';
import { waitForCri } from '../../testbed/node/pods.ts';
import { median, type Row } from '../row.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import { drop } from './site.ts';

const pollMs = 4;
/** One of them differs from the next by a tenth and more. */
const rounds = 21;

/** Milliseconds from the last answer to the next one, around the longest silence while `act` runs. */
const silenceDuring = async (node: TestNode, act: () => Promise<void>): Promise<number> => {
  const state = { done: false };
  const silences: number[] = [];
  const watch = async (): Promise<void> => {
    let answered = performance.now();
    let failed = false;
    while (!state.done || failed) {
      try {
        await callCri(node.criSocket, 'Version', {}, 1_000);
        const now = performance.now();
        if (failed) silences.push(now - answered);
        answered = now;
        failed = false;
      } catch {
        failed = true;
      }
      await sleep(pollMs);
    }
  };
  const watching = watch();
  try {
    await act();
  } finally {
    state.done = true;
    await watching;
  }
  return Math.max(...silences);
};

/** The service does not run meanwhile: `once --force` is the same tick, and not held back by the restart budget. */
export const measureOutage = async (node: TestNode, artifact: Artifact): Promise<readonly Row[]> => {
  const ours: number[] = [];
  const bare: number[] = [];
  const name = 'outage';
  for (let round = 0; round < rounds; round += 1) {
    bare.push(await silenceDuring(node, () => restartContainerd(node)));
    // There, gone, there again: both directions restart.
    if (round % 2 === 0) drop(node, { [name]: artifact });
    else rmSync(node.hostPath(`/etc/rcm-node/shims.d/${name}.toml`));
    ours.push(
      await silenceDuring(node, async () => {
        await node.run([executable, 'once', '--force']);
        await waitForCri(node);
      }),
    );
  }
  return [
    {
      what: 'CRI outage of a restart by rcm-node, against a bare one',
      value: median(ours) / median(bare),
      unit: 'ratio',
      limit: 1.1,
      how: `medians of ${rounds}, alternating: ${Math.round(median(ours))} ms by rcm-node, ${Math.round(median(bare))} ms by systemctl restart containerd; a call on a new connection every ${pollMs} ms, from outside the node`,
    },
  ];
};
