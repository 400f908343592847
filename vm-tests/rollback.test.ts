/**
 * Changes that look right to the runtime's parser and are not: the runtime does not start with them, starts without CRI, or
 * lists a handler with which no sandbox starts. All are undone, and the runtime is healthy on its old configuration, before a Pod is evicted for it.
 */
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path/posix';
import t, { type Test } from 'tap';
import { connectCri } from '../host/cri/cri.ts';
import type { Report } from '../daemon/model/outcome.ts';
import type { Artifact } from '../testbed/artifacts/artifact.ts';
import { containerdConfiguration, pauseImage } from '../testbed/node/configuration.ts';
import { restartContainerd } from '../testbed/node/containerd.ts';
import { prepareImage } from '../testbed/artifacts/images.ts';
import { helloOciImage, importImage, pauseOciImage } from '../testbed/artifacts/oci.ts';
import { type Row, rows } from '../testbed/node/rows.ts';
import { isRunning, removePod, runPod } from '../testbed/node/pods.ts';
import {
  census,
  censusDifference,
  forgetRestarts,
  handlersOverCri,
  journalOf,
  rcmNode,
  reportOf,
  startsOf,
  untilReport,
  untilServing,
} from '../testbed/node/service.ts';
import type { TestNode } from '../testbed/node/test-node.ts';

const progress = (line: string): void => t.comment(line);

const dropInOf = ({ unit }: Row): string => `/etc/systemd/system/${unit}.d/obstacle.conf`;

/** True while the handler stands in any file that the runtime reads. */
const present = ({ folder }: Row, handler: string): string => `grep -rqs ${handler} ${folder}`;

const doesNotStart = (row: Row): Readonly<Record<string, string>> => ({
  [dropInOf(row)]: `[Service]\nExecStartPre=/bin/sh -c "! ${present(row, 'spin-v2')}"\n`,
});

/** CRI-O is nothing but CRI: there it listens where no kubelet asks. */
const withoutCri = {
  containerd: {
    program: '/usr/bin/containerd',
    flags: '--config /etc/without-cri.toml',
    files: {
      '/etc/without-cri.toml': `version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
`,
    },
  },
  crio: { program: '/usr/local/bin/crio', flags: '--listen /run/crio/elsewhere.sock', files: {} },
} as const;

const startsWithoutCri = (row: Row): Readonly<Record<string, string>> => {
  const { program, flags, files } = withoutCri[row.runtime];
  const start = '/usr/local/sbin/start-runtime';
  return {
    [dropInOf(row)]: `[Service]\nExecStart=\nExecStart=${start}\n`,
    [start]: `#!/bin/sh
if ${present(row, 'slight-v1')}; then exec ${program} ${flags}; fi
exec ${program}
`,
    ...files,
  };
};

/** Pods may be evicted when their node is not ready for this long. */
const evictionSeconds = 240;

const obstruct = async (node: TestNode, files: Readonly<Record<string, string>>): Promise<void> => {
  for (const [path, text] of Object.entries(files))
    await node.writeFile(path, text, text.startsWith('#!') ? 0o755 : 0o644);
  await node.run(['systemctl', 'daemon-reload']);
};

const clear = async (node: TestNode, files: Readonly<Record<string, string>>): Promise<void> => {
  await node.run(['rm', ...Object.keys(files)]);
  for (const folder of new Set(Object.keys(files).map((path) => dirname(path))))
    if (folder.endsWith('.service.d')) await node.run(['rmdir', folder]);
  await node.run(['systemctl', 'daemon-reload']);
};

const { config } = rows.forky;
const program = '/usr/bin/containerd';

/** Another containerd in the place of the one that is there, as a package manager puts it; what it had stored goes. */
const exchange = async (node: TestNode, other: string): Promise<void> => {
  await node.run(['systemctl', 'stop', 'containerd']);
  await node.run(['rm', program]);
  await copyFile(other, node.hostPath(program));
  await node.run(['chmod', '0755', program]);
  await node.run(['sh', '-c', 'rm -rf /var/lib/containerd/*']);
  // It may not come up, which is the purpose.
  await node.exec(['systemctl', 'start', 'containerd']);
};

/** Waits for so many more ticks of the running service. */
const ticks = async (node: TestNode, count: number): Promise<void> => {
  for (let seen = 0; seen < count; seen += 1) {
    const at = (await reportOf(node))?.at;
    await untilReport(node, 'another tick', (report) => report.at !== at);
  }
};

const sandboxesOf = async (node: TestNode): Promise<readonly string[]> => {
  const cri = connectCri(node.criSocket, { deadlineMs: 10_000 });
  try {
    return (await cri.sandboxes()).map(({ id }) => id);
  } finally {
    cri.close();
  }
};

const isUndone = ({ outcome }: Report): boolean =>
  outcome.kind === 'failed' || JSON.stringify(outcome).includes('known-bad');

// They wait most of the time, so all of them run side by side.
t.jobs = 3;

for (const row of [rows.trixie, rows.forky, rows.crio])
  t.test(`failed proofs on ${row.name}`, { buffered: true }, async (t) => {
    const node = await row.boot({ progress });
    t.teardown(() => node.stop());
    const image = await row.image(node, helloOciImage('wait'));
    const pod = await runPod(node, { handler: '', image, wait: 'running' });
    const foreign = await handlersOverCri(node);
    const before = await census(node);
    await node.run(['systemctl', 'start', 'rcm-node']);
    await untilServing(node, []);

    /** The stand-in for CRI-O has no cgroups for Pods, so that systemd ends them with it. */
    const podRuns = async (t: Test): Promise<void> => {
      if (row.runtime === 'containerd')
        t.ok(await isRunning(node, pod.containerId), 'the Pod of another handler never stopped');
    };

    /** The shim is tried, undone in time, reported, and left alone. */
    const isTakenBack = async (t: Test, handler: string, shim: Artifact, why: RegExp): Promise<void> => {
      const started = await startsOf(node);
      const etc = async (): Promise<readonly string[]> =>
        (await census(node)).split('\n').filter((line) => line.includes('/etc/'));
      const former = { etc: await etc(), handlers: await handlersOverCri(node) };
      const began = performance.now();
      await row.writeShim(node, handler, shim);
      const report = await untilReport(node, 'undone and reported', isUndone, evictionSeconds * 1000);
      t.same(await handlersOverCri(node), former.handlers, 'CRI answers on the old configuration');
      const seconds = (performance.now() - began) / 1000;
      t.comment(`from the shim file to health on the old configuration: ${seconds.toFixed(1)} s`);
      t.ok(seconds < evictionSeconds);
      t.same(await etc(), former.etc);
      await podRuns(t);
      t.match(JSON.stringify(report.outcome), why);
      const status = await rcmNode(node, 'status');
      t.equal(status.code, 1);
      t.match(status.stdout, new RegExp(`${handler} +(failed|pending)`));

      const after = await startsOf(node);
      t.ok(after >= started + 2, 'one restart with the change, one without');
      await ticks(node, 3);
      t.match((await rcmNode(node, 'status')).stdout, 'not tried again until it changes');
      t.match(await rcmNode(node, 'plan'), { code: 1 });
      t.equal(await startsOf(node), after, 'the bad revision is not tried again');
    };

    await t.test('the runtime does not start with our change: it is rolled back', async (t) => {
      await obstruct(node, doesNotStart(row));
      const shim = await row.artifact('spin-v2', '1', progress);
      await isTakenBack(t, 'spin-v2', shim, new RegExp(`${row.unit}.*failed`));
    });

    await t.test(
      'it is not retried when the obstacle is gone, until a person restarts the service',
      async (t) => {
        await clear(node, doesNotStart(row));
        const started = await startsOf(node);
        await node.run(['systemctl', 'kill', '-s', 'SIGKILL', 'rcm-node']);
        await ticks(node, 2);
        t.equal(await startsOf(node), started, 'also after the service crashed and systemd started it again');
        t.match(
          (await rcmNode(node, 'status')).stdout,
          new RegExp(`journalctl -u ${row.unit} --since.*rcm-node retry`),
        );
        await node.run(['systemctl', 'restart', 'rcm-node']);
        await untilServing(node, ['spin-v2']);
        t.equal(await startsOf(node), started + 1, 'a person started it again');
        await node.run(['systemctl', 'stop', row.unit]);
        const lost = await untilReport(
          node,
          'the loss of the runtime',
          (one) => one.handlers[0]?.state === 'unknown',
          15_000,
        );
        t.match(lost.outcome, { kind: 'refused' });
        await node.run(['systemctl', 'start', row.unit]);
        await untilServing(node, ['spin-v2'], 15_000);
        t.match(await rcmNode(node, 'status'), { code: 0 });
      },
    );

    await t.test('the runtime starts without CRI with our change: it is rolled back', async (t) => {
      await obstruct(node, startsWithoutCri(row));
      const shim = await row.artifact('slight-v1', '1', progress);
      await isTakenBack(t, 'slight-v1', shim, /CRI/);
      await node.run(['rm', '/etc/rcm-node/shims.d/slight-v1.toml']);
      const started = await startsOf(node);
      await untilServing(node, ['spin-v2']);
      t.equal(await startsOf(node), started, 'what never came needs no restart to go');
      await clear(node, startsWithoutCri(row));
    });

    await t.test(
      'a shim that CRI lists and that starts nothing is rolled back; verify says what starts',
      async (t) => {
        await forgetRestarts(node);
        await untilServing(node, ['spin-v2']);
        const idle = await row.idle('idle-v1');
        await isTakenBack(
          t,
          'idle-v1',
          idle,
          /CRI lists \\"idle-v1\\", but a sandbox with it does not start/,
        );
        t.match(await journalOf(node), row.refusal, 'the journal has what the runtime said');
        await node.run(['rm', '/etc/rcm-node/shims.d/idle-v1.toml']);
        const report = await untilServing(node, ['spin-v2']);
        t.strictSame(report.handlers[0]?.start, { kind: 'started' });
        const one = await rcmNode(node, 'verify', 'spin-v2');
        t.match(one, { code: 0, stdout: /spin-v2: a sandbox starts with it/ });
        t.match(await rcmNode(node, 'verify', '--json'), { code: 0, stdout: /"started"/ });
        t.match(await rcmNode(node, 'verify', 'idle-v1'), {
          code: 1,
          stderr: /CRI lists no handler "idle-v1"/,
        });
        // The stand-in for CRI-O removes no image.
        if (row.runtime === 'containerd') {
          await node.run(['ctr', '-n', 'k8s.io', 'images', 'rm', '--sync', pauseImage]);
          t.match(await rcmNode(node, 'verify'), {
            code: 4,
            stdout: /image of sandboxes is not on this node/,
          });
          await importImage(node, pauseOciImage());
        }
        t.strictSame(await sandboxesOf(node), [pod.id], 'no sandbox of a proof is left');
      },
    );

    await t.test('uninstall leaves every foreign byte as it was', async (t) => {
      t.match(await rcmNode(node, 'uninstall'), { code: 0 }, 'whatever the budget of restarts says');
      t.same(censusDifference(before, await census(node)), []);
      t.same(await handlersOverCri(node), foreign);
      await podRuns(t);
    });

    // Only containerd has generations that cannot read each other's configuration.
    if (row === rows.forky)
      for (const text of [containerdConfiguration.trixie, null])
        await t.test(
          `it is downgraded to 1.7 with our part for 2.1, ${text === null ? 'which is alone there' : 'beside a version 2 main file'}: it starts, and serves`,
          async (t) => {
            await removePod(node, pod.id).catch(() => undefined);
            if (text === null) await node.run(['rm', config]);
            else await node.writeFile(config, text);
            await restartContainerd(node);
            await node.run(['systemctl', 'start', 'rcm-node']);
            await untilServing(node, ['spin-v2']);
            await exchange(node, join(await prepareImage('trixie', 'containerd', progress), program));
            const began = performance.now();
            await untilReport(
              node,
              'served by the other generation',
              ({ runtime, outcome }) => outcome.kind === 'converged' && /^1\.7/.test(runtime?.version ?? ''),
              evictionSeconds * 1000,
            );
            t.comment(`from the exchange to health: ${((performance.now() - began) / 1000).toFixed(1)} s`);
            t.match(await handlersOverCri(node), /spin-v2/);
            t.match(await rcmNode(node, 'uninstall'), { code: 0 });
            t.equal((await node.exec(['cat', config])).stdout, text ?? '');
            await exchange(node, join(await prepareImage('forky', 'containerd', progress), program));
          },
        );
  });
