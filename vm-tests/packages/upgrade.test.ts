/**
 * From each former build of testbed/releases/table.ts to this tree, and back, by bootstrap, as a cluster does it: the handler
 * stays served, its Pod runs, and the runtime is not restarted. A change in whose middle the former one was killed is
 * finished by this one. test/releases/ reads the recorded state of each of them without a node.
 */
import { dirname } from 'node:path';
import t, { type Test } from 'tap';
import { helloOciImage, importImage } from '../../testbed/artifacts/oci.ts';
import { imageFrom, nextImage, nextVersion } from '../../testbed/artifacts/own-images.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { configMapAt, importArchive, runBootstrap } from '../../testbed/node/bootstrap-pod.ts';
import { executable } from '../../testbed/node/install.ts';
import { bootNode } from '../../testbed/node/node.ts';
import { isRunning, removePod, runPod, waitForCri } from '../../testbed/node/pods.ts';
import {
  artifactBinds,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  shimToml,
  startsOf,
  untilServing,
  writeShim,
} from '../../testbed/node/service.ts';
import { runKilledAfter } from '../../testbed/node/strace.ts';
import { builtRelease, lacksRelease } from '../../testbed/releases/build.ts';
import { formerReleases } from '../../testbed/releases/table.ts';

const progress = (line: string): void => t.comment(line);
const ledgerPath = '/var/lib/rcm-node/ledger.json';
/** Of a ledger, in any order, and without the release that wrote it. */
const facts = (text: string): unknown => ({ ...JSON.parse(text), agent: undefined });

for (const release of formerReleases)
  t.test(`from ${release.name} to this tree, and back`, { skip: await lacksRelease(release) }, async (t) => {
    const former = await imageFrom(await builtRelease(release, progress), release.name);
    const next = await nextImage(progress);
    const shim = await makeStandInShim('trixie', '1', progress);
    const images = [former, next];
    const binds = Object.fromEntries(
      images.map(({ archive }, at) => [`/srv/image-${at}`, { from: dirname(archive), readOnly: true }]),
    );
    const node = await bootNode({ suite: 'trixie', progress, binds: { ...artifactBinds(), ...binds } });
    t.teardown(() => node.stop());
    for (const [at, { archive }] of images.entries())
      await importArchive(node, `/srv/image-${at}/${archive.slice(dirname(archive).length + 1)}`);
    const before = await census(node);
    const foreign = await handlersOverCri(node);
    await node.writeFile(`${configMapAt}/config.toml`, 'interval = 5\n');
    await node.writeFile(`${configMapAt}/spin-v2.toml`, shimToml('spin-v2', shim));

    const installed = await runBootstrap(node, former.name);
    t.equal(installed.code, 0, installed.log);
    await untilServing(node, ['spin-v2']);
    const starts = await startsOf(node);
    const pod = await runPod(node, {
      handler: 'spin-v2',
      image: await importImage(node, helloOciImage('wait')),
      wait: 'running',
    });
    const ledger = await node.readFile(ledgerPath);
    const version = async (): Promise<string> => (await rcmNode(node, 'version')).stdout.trim();

    const become = async (
      t: Test,
      image: string,
      wanted: string,
      ...more: readonly string[]
    ): Promise<void> => {
      const said = await runBootstrap(node, image, more);
      t.equal(said.code, 0, said.log);
      t.equal(await version(), `rcm-node ${wanted}`);
      await untilServing(node, ['spin-v2']);
      t.ok(await isRunning(node, pod.containerId), 'its Pod runs');
      t.equal(await startsOf(node), starts, 'the runtime was not restarted');
      t.same(facts(await node.readFile(ledgerPath)), facts(ledger), 'its state says the same');
    };
    await t.test('upgraded', (t) => become(t, next.name, nextVersion));
    await t.test('downgraded', (t) => become(t, former.name, release.version, '--downgrade'));

    await t.test('killed in the middle of a change, it is finished by the next one', async (t) => {
      await node.run(['systemctl', 'stop', 'rcm-node']);
      await writeShim(node, 'wws-v1', await makeStandInShim('trixie', '1', progress, 'wws-v1'));
      const cut = await runKilledAfter(node, `restarting ${node.unit}`, 0, 'rcm-node', [executable, 'once']);
      t.equal(cut.code, 137, cut.stderr);
      t.match(await node.readFile('/var/lib/rcm-node/journal.json'), /"direction": "forward"/);
      // It may have asked for the restart before it was killed.
      await waitForCri(node);
      const said = await runBootstrap(node, next.name);
      t.equal(said.code, 0, said.log);
      await untilServing(node, ['spin-v2', 'wws-v1']);
      t.equal(await startsOf(node), starts + 1, 'one restart in all');
      t.ok(await isRunning(node, pod.containerId));
    });

    await t.test('uninstalled, every byte is as before the former one came', async (t) => {
      await removePod(node, pod.id);
      const said = await runBootstrap(node, next.name, ['--uninstall']);
      t.equal(said.code, 0, said.log);
      t.same(await handlersOverCri(node), foreign);
      t.same(censusDifference(before, await census(node)), ['+ d 755 0:0 /opt/rcm-node ']);
    });
  });
