/**
 * Changes that look right to the runtime's parser and are not: the runtime does not start with them, or starts without
 * CRI. Both are undone, and the runtime is healthy on its old configuration, before a Pod is evicted for it.
 */
import t from 'tap';
import { helloOciImage, importImage } from './node/oci.ts';
import type { TestNode } from './node/node.ts';
import { isRunning, runPod } from './node/pods.ts';
import {
  bootWithRcmNode,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  reportOf,
  startsOf,
  untilReport,
  untilServing,
  wishFor,
} from './node/service.ts';
import { makeStandInShim } from './node/shim.ts';

const progress = (line: string): void => t.comment(line);

const unitDropIn = '/etc/systemd/system/containerd.service.d/obstacle.conf';

/** True while our handler stands in any file that the runtime reads. */
const present = 'grep -rqs spin-v2 /etc/containerd';

const obstacles: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'the runtime does not start with our change': {
    [unitDropIn]: `[Service]\nExecStartPre=/bin/sh -c "! ${present}"\n`,
  },
  'the runtime starts without CRI with our change': {
    [unitDropIn]: '[Service]\nExecStart=\nExecStart=/usr/local/sbin/start-containerd\n',
    '/usr/local/sbin/start-containerd': `#!/bin/sh
if ${present}; then exec /usr/bin/containerd --config /etc/without-cri.toml; fi
exec /usr/bin/containerd
`,
    '/etc/without-cri.toml': 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri", "cri"]\n',
  },
};

/** Pods may be evicted when their node is not ready for this long. */
const evictionSeconds = 240;

const obstruct = async (node: TestNode, files: Readonly<Record<string, string>>): Promise<void> => {
  for (const [path, text] of Object.entries(files))
    await node.writeFile(path, text, text.startsWith('#!') ? 0o755 : 0o644);
  await node.run(['systemctl', 'daemon-reload']);
};

/** Waits for so many more ticks of the running service. */
const ticks = async (node: TestNode, count: number): Promise<void> => {
  for (let seen = 0; seen < count; seen += 1) {
    const at = (await reportOf(node))?.at;
    await untilReport(node, 'another tick', (report) => report.at !== at);
  }
};

// They wait most of the time, so both suites run side by side.
t.jobs = 2;

for (const suite of ['trixie', 'forky'] as const)
  t.test(`failed proofs on a ${suite} node`, { buffered: true }, async (t) => {
    const one = await makeStandInShim(suite, '1', progress);
    const two = await makeStandInShim(suite, '2', progress);
    const node = await bootWithRcmNode(suite, { progress });
    t.teardown(() => node.stop());
    const image = await importImage(node, helloOciImage('wait'));
    const pod = await runPod(node, { handler: '', image, wait: 'running' });
    const foreign = await handlersOverCri(node);
    const before = await census(node);
    await node.run(['systemctl', 'start', 'rcm-node']);
    await untilServing(node, []);

    for (const [what, files] of Object.entries(obstacles))
      await t.test(`${what}: it is undone`, async (t) => {
        const started = await startsOf(node);
        await obstruct(node, files);
        const obstructed = await census(node);
        const began = performance.now();
        await wishFor(node, 'spin-v2', one);
        const report = await untilReport(
          node,
          'undone and reported',
          ({ outcome }) => outcome.kind === 'failed' || JSON.stringify(outcome).includes('known-bad'),
          evictionSeconds * 1000,
        );
        t.same(await handlersOverCri(node), foreign, 'CRI answers on the old configuration');
        const seconds = (performance.now() - began) / 1000;
        t.comment(`${what}, ${suite}: from the wish to health ${seconds.toFixed(1)} s`);
        t.ok(seconds < evictionSeconds);
        t.ok(await isRunning(node, pod.containerId), 'the Pod of another handler never stopped');
        t.same(
          censusDifference(obstructed, await census(node)).filter((line) => line.includes('/etc/')),
          [],
        );
        t.match(JSON.stringify(report.outcome), 'containerd');
        const status = await rcmNode(node, 'status');
        t.equal(status.code, 1);
        t.match(status.stdout, /spin-v2 +(failed|pending)/);

        const after = await startsOf(node);
        t.ok(after >= started + 2);
        await ticks(node, 3);
        t.match((await rcmNode(node, 'status')).stdout, 'left alone until it changes');
        t.equal((await rcmNode(node, 'plan')).code, 1);
        t.equal(await startsOf(node), after, 'the bad revision is not tried again');

        await node.run(['rm', '/etc/rcm-node/shims.d/spin-v2.toml']);
        await untilServing(node, []);
        t.equal(await startsOf(node), after, 'what never came needs no restart to go');
        await node.run(['rm', ...Object.keys(files)]);
        await node.run(['rmdir', unitDropIn.slice(0, unitDropIn.lastIndexOf('/'))]);
        await node.run(['systemctl', 'daemon-reload']);
      });

    await t.test(
      'the same wish stays alone when the obstacle is gone; a changed shim is tried again',
      async (t) => {
        const started = await startsOf(node);
        await obstruct(node, obstacles['the runtime does not start with our change'] ?? {});
        await wishFor(node, 'spin-v2', one);
        await untilReport(node, 'undone', ({ outcome }) => JSON.stringify(outcome).includes('left alone'));
        const failed = await startsOf(node);
        t.ok(failed > started);
        await node.run(['rm', '-r', unitDropIn.slice(0, unitDropIn.lastIndexOf('/'))]);
        await node.run(['systemctl', 'daemon-reload']);
        await ticks(node, 2);
        t.equal(await startsOf(node), failed);
        await wishFor(node, 'spin-v2', two);
        // The fourth restart within an hour waits for a minute.
        await untilServing(node, ['spin-v2'], 150_000);
        t.equal(await startsOf(node), failed + 1);
        t.match(await rcmNode(node, 'status'), { code: 0 });
      },
    );

    await t.test('uninstall leaves every foreign byte as it was', async (t) => {
      t.match(await rcmNode(node, 'uninstall', '--force'), { code: 0 });
      t.same(censusDifference(before, await census(node)), []);
      t.ok(await isRunning(node, pod.containerId));
    });
  });
