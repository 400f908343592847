/** Act 6: another version of the artifact while a Pod runs, without a restart. */
import { importImage } from '../../testbed/artifacts/oci.ts';
import { isRunning, removePod } from '../../testbed/node/pods.ts';
import { check } from '../disproved.ts';
import { duration } from '../fit.ts';
import {
  isConverged,
  readReport,
  type Stage,
  show,
  showContainerd,
  startsOfContainerd,
  storeKeys,
  until,
} from '../stage/stage.ts';
import { tickingImage, tickingLine } from '../ticking.ts';
import { linesOf, showMapped, startTicking, type TickingPod } from '../ticking-pod.ts';
import { handler, shimFilePath, shimFileText } from '../stage/shim-files.ts';

const digestNow = (stage: Stage): string | undefined =>
  readReport(stage)?.handlers.find((one) => one.name === handler)?.sha256;

/** The file names the second version; returns when it is served, and shows that containerd did not notice. */
const change = async (stage: Stage): Promise<void> => {
  const { screen, node } = stage;
  const [starts, before] = [await startsOfContainerd(stage), await showContainerd(stage)];
  const oldDigest = digestNow(stage);

  screen.remark('Now the same file names the second version:');
  const changed = performance.now();
  await node.writeFile(shimFilePath, shimFileText(stage.bundles[1], 2));
  await show(stage, ['grep', '-E', 'location|sha256', shimFilePath]);
  const arrived = (): boolean => isConverged(stage) && digestNow(stage) !== oldDigest;
  await screen.during('fetch, check, switch', () =>
    until('the second version served', 60, arrived, () => readReport(stage)),
  );
  const took = performance.now() - changed;
  const { stdout } = await show(stage, ['rcm-node', 'status']);
  const digest = stage.bundles[1].sha256.slice(0, 12);
  check(stdout.includes(digest), `the digest of the second version, ${digest}`, stdout);
  const after = await showContainerd(stage);
  const restarts = (await startsOfContainerd(stage)) - starts;
  check(after === before && restarts === 0, `the same run of containerd:\n${before}`, after);
  screen.proven(
    `The second version is in place after ${duration(took)}; containerd is the same process in the same invocation.`,
  );
  stage.figures.push(
    ['from the second version asked for to served, under a running Pod', duration(took)],
    ['restarts of containerd for that', `${restarts}`],
  );
};

/** The old Pod ends, and with it the last use of the old version. */
const end = async (stage: Stage, old: TickingPod): Promise<void> => {
  const { screen, node } = stage;
  screen.remark('The old Pod ends; rcm-node looks every minute, or when it is asked to:');
  screen.call('CRI: StopPodSandbox, RemovePodSandbox');
  await removePod(node, old.pod.id);
  await show(stage, ['systemctl', 'reload', 'rcm-node']);
  const gone = async (): Promise<boolean> => !(await storeKeys(stage)).includes(old.using.key);
  await screen.during('the old version is discarded', () =>
    until('the old version gone from the store', 30, gone, () => 'it is still there'),
  );
  await show(stage, ['ls', '/opt/rcm-node/store']);
};

export const actUpdate = async (stage: Stage): Promise<void> => {
  const { screen, node } = stage;
  screen.title('6/9  An update under a running Pod: the new version arrives, containerd is not restarted');
  screen.remark(`A Pod that prints "${tickingLine}" twice a second, and the library it runs with:`, 'close');
  const image = await importImage(node, await tickingImage());
  const old = await startTicking(stage, image);
  const first = await linesOf(stage, old);
  await change(stage);

  screen.remark('The Pod of before, and a new one beside it:');
  await show(stage, ['ls', '/opt/rcm-node/store']);
  const then = await linesOf(stage, old);
  check(
    then > first && (await isRunning(node, old.pod.containerId)),
    'the old Pod running, with more lines',
    then,
  );
  const still = await showMapped(stage, old.using);
  check(still.includes(old.using.key), `the old Pod on ${old.using.key}`, still);
  const young = await startTicking(stage, image);
  check(young.using.key !== old.using.key, 'the new Pod on another version than the old one', young.using);
  check((await storeKeys(stage)).length === 2, 'both versions in the store', await storeKeys(stage));
  screen.proven(
    `The old Pod went on (${first} lines before, ${then} now) with the old version, which is kept for it; a new Pod has the new one.`,
  );

  await end(stage, old);
  check(await isRunning(node, young.pod.containerId), 'the new Pod still running', 'it ended');
  screen.proven('The old version is not used any more, so it is gone; the new Pod was not disturbed.');
  await removePod(node, young.pod.id);
};
