/**
 * Prepared handlers on real nodes: they come with the first change, and a shim for one is served, updated, rolled back and removed
 * in the same invocation of the runtime.
 */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { writeArtifact } from '../../testbed/artifacts/artifact.ts';
import { bundlesDir } from '../../testbed/artifacts/images.ts';
import { helloOciImage } from '../../testbed/artifacts/oci.ts';
import { linkOf, nightly, oldest, type Row, rows } from '../../testbed/node/rows.ts';
import { isRunning, removePod, runPod } from '../../testbed/node/pods.ts';
import {
  census,
  censusDifference,
  handlersOverCri,
  journalOf,
  rcmNode,
  shimFilePath,
  shimToml,
  startsOf,
  untilReport,
  untilServing,
} from '../../testbed/node/service.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import { problemOf } from '../../protocol/problem/problem.ts';
import type { Report } from '../../daemon/model/outcome.ts';

const progress = (line: string): void => t.comment(line);

const stateOf = ({ handlers }: Report, name: string): string | undefined =>
  handlers.find((one) => one.name === name)?.state;

const invocationOf = async (node: TestNode): Promise<string> =>
  (await node.run(['systemctl', 'show', node.unit, '-p', 'InvocationID', '-p', 'MainPID'])).trim();

/** What a Pod is told that names the handler. */
const refusalOf = (node: TestNode, handler: string, image: string): Promise<string> =>
  runPod(node, { handler, image, wait: 'exited' }).then(
    () => 'it ran',
    (error: unknown) => `${problemOf(error).detail}`,
  );

/** As the settings name them. */
const entryOf = ({ runtime, binary }: Row, handler: string): string =>
  runtime === 'crio'
    ? `{ handler = "${handler}", runtime = { type = "oci", binary = "${binary(handler)}" } }`
    : JSON.stringify(handler);

/** An OCI runtime with containerd, which runs under the runc shim: a handler of the other kind. */
const oci = { handler: 'oci-1', binary: 'runtime-oci-1' };
const ociFields = `runtime = { type = "oci", binary = "${oci.binary}" }`;

/** containerd says which path leads nowhere; CRI-O what our program there says. */
const reasonOf = (row: Row, handler: string): string =>
  row.runtime === 'crio'
    ? `the handler "${handler}" is prepared, and no shim`
    : `${linkOf(row, handler)}: no such file or directory`;

for (const row of [oldest, ...Object.values(rows)]) {
  const skip =
    row === rows.forky && nightly('the Shims of vm-tests/controller/slots.test.ts are served on forky');
  t.test(`prepared handlers on ${row.name}`, { skip }, async (t) => {
    const own = ['spin-v2', 'slot-1'];
    const hasOther = row.runtime === 'containerd';
    const entries = [...own, ...(hasOther ? [oci.handler] : [])];
    const prepare = [
      ...own.map((name) => entryOf(row, name)),
      ...(hasOther ? [`{ handler = "${oci.handler}", ${ociFields} }`] : []),
    ];
    const node = await row.boot({
      progress,
      settings: `interval = 5\n[runtime]\nprepare = [${prepare.join(', ')}]\n`,
    });
    t.teardown(() => node.stop());
    const image = await row.image(node, helloOciImage('end'));
    const lasting = await row.image(node, helloOciImage('wait'));
    const foreign = await handlersOverCri(node);
    const before = await census(node);
    // What is only prepared waits while a Pod runs.
    const pod = await runPod(node, { handler: '', image: lasting, wait: 'running' });
    const podRuns = async (t: Test, handler: string): Promise<void> => {
      const one = await runPod(node, { handler, image, wait: 'exited' });
      t.equal(one.exitCode, 0, one.log);
      await removePod(node, one.id);
    };

    await node.run(['systemctl', 'start', 'rcm-node']);
    await t.test('the first change takes them along, in one restart', async (t) => {
      const started = await startsOf(node);
      const waiting = await untilReport(node, 'nothing to do', ({ outcome }) => outcome.kind === 'converged');
      t.match(waiting.notes, [{ code: 'not-prepared' }]);
      t.equal(await startsOf(node), started, 'they alone are no reason for a restart');
      await row.writeShim(node, 'first-v1', await row.artifact('first-v1', '1', progress));
      const report = await untilServing(node, ['first-v1']);
      t.equal(stateOf(report, 'spin-v2'), 'prepared');
      t.equal(stateOf(report, 'slot-1'), 'prepared');
      t.equal(await startsOf(node), started + 1);
      t.strictSame(await handlersOverCri(node), [...foreign, 'first-v1', ...entries].sort());
      t.match(
        (await rcmNode(node, 'status')).stdout,
        new RegExp(`Serving 1 of 1 \\(first-v1\\), ${entries.length} prepared`),
      );
      t.match(await rcmNode(node, 'verify'), { code: 0 });
      t.match(await rcmNode(node, 'verify', 'spin-v2'), {
        code: 1,
        stderr: /"spin-v2" is prepared, and no shim/,
      });
      // On this node conmon is in the cgroup of the stand-in for CRI-O, and ends with it.
      if (row.runtime === 'containerd') t.ok(await isRunning(node, pod.containerId));
    });

    const loaded = await invocationOf(node);
    const text = await node.readFile(row.ours);

    await t.test('a Pod that names a prepared handler is told why it does not start', async (t) => {
      const said = await refusalOf(node, 'spin-v2', image);
      t.comment(said);
      t.match(said, reasonOf(row, 'spin-v2'));
    });

    await t.test('its shim is served without a restart, and runs a Pod', async (t) => {
      const began = performance.now();
      await row.writeShim(node, 'spin-v2', await row.artifact('spin-v2', '1', progress));
      const report = await untilServing(node, ['first-v1', 'spin-v2']);
      t.comment(`from the file to served: ${Math.round(performance.now() - began)} ms`);
      t.strictSame(report.handlers.find(({ name }) => name === 'spin-v2')?.start, { kind: 'started' });
      await podRuns(t, 'spin-v2');
      t.equal(await invocationOf(node), loaded, 'the same process of the runtime');
    });

    await t.test('another version, and one that starts nothing, need none either', async (t) => {
      const other = await row.artifact('spin-v2', '2', progress);
      await row.writeShim(node, 'spin-v2', other);
      await untilReport(node, 'the other version', ({ handlers }) =>
        handlers.some(
          ({ name, sha256, state }) => name === 'spin-v2' && sha256 === other.sha256 && state === 'served',
        ),
      );
      await podRuns(t, 'spin-v2');
      await row.writeShim(node, 'slot-1', await row.idle('slot-1'));
      await untilReport(node, 'a rollback', (report) => stateOf(report, 'slot-1') === 'failed');
      const link = await node.exec(['readlink', linkOf(row, 'slot-1')]);
      t.match(link.stdout.trim(), row.runtime === 'crio' ? /\/no-shim$/ : /^$/, 'it leads to no shim');
      await node.run(['rm', '/etc/rcm-node/shims.d/slot-1.toml']);
      await untilReport(node, 'a free slot', (report) => stateOf(report, 'slot-1') === 'prepared');
      t.equal(await invocationOf(node), loaded);
    });

    if (hasOther)
      await t.test('an OCI runtime is prepared, served and removed in the same way', async (t) => {
        t.match(await refusalOf(node, oci.handler, image), /OCI runtime create failed/);
        // Its words are long, and cut in what rcm-node tells of them.
        const missing = `fork/exec /opt/rcm-node/shims/${oci.handler}/${oci.binary}: no such file or directory`;
        t.match(await journalOf(node, row.unit, 20), missing);
        const text = '#!/bin/sh\nexec runc "$@"\n';
        const artifact = await writeArtifact(join(bundlesDir(), `${oci.binary}.tar.gz`), [
          { path: oci.binary, bytes: Buffer.from(text), mode: 0o755 },
        ]);
        const file = shimToml(oci.handler, artifact).replace('\n', `\n${ociFields}\n`);
        await node.writeFile(shimFilePath(oci.handler), file);
        await untilServing(node, ['first-v1', oci.handler, 'spin-v2']);
        await podRuns(t, oci.handler);
        await node.run(['rm', shimFilePath(oci.handler)]);
        await untilReport(node, 'a prepared one', (report) => stateOf(report, oci.handler) === 'prepared');
        t.equal(await invocationOf(node), loaded);
      });

    await t.test('its removal leaves it prepared', async (t) => {
      await node.run(['rm', '/etc/rcm-node/shims.d/spin-v2.toml']);
      const report = await untilServing(node, ['first-v1']);
      t.equal(stateOf(report, 'spin-v2'), 'prepared');
      t.match(await refusalOf(node, 'spin-v2', image), reasonOf(row, 'spin-v2'));
      t.equal(await invocationOf(node), loaded);
      t.equal(await node.readFile(row.ours), text, 'nothing was written');
    });

    await t.test('an uninstall leaves every byte as it was', async (t) => {
      t.match(await rcmNode(node, 'uninstall'), { code: 0 });
      t.same(censusDifference(before, await census(node)), []);
      t.same(await handlersOverCri(node), foreign);
    });
  });
}
