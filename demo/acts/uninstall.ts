/** Act 8: all that is ours goes, and what is not ours is compared byte by byte. */
import { importImage, helloOciImage } from '../../testbed/artifacts/oci.ts';
import { runPod } from '../../testbed/node/pods.ts';
import { check } from '../disproved.ts';
import { duration } from '../fit.ts';
import { measureOutage } from '../outage.ts';
import { differences, takeSnapshot } from '../stage/snapshot.ts';
import { type Stage, servedHandlers, show, startsOfContainerd } from '../stage/stage.ts';
import { handler } from '../stage/shim-files.ts';

export const actUninstall = async (stage: Stage): Promise<void> => {
  const { screen, node, before } = stage;
  screen.title('8/9  The uninstall: what is ours goes, and every foreign byte is as it was');
  const starts = await startsOfContainerd(stage);
  const meter = measureOutage(() => node.criSocket);
  const began = performance.now();
  await show(stage, ['rcm-node', 'uninstall']);
  const took = performance.now() - began;
  const { outageMs } = await meter.stop();
  const restarts = (await startsOfContainerd(stage)) - starts;

  const after = await takeSnapshot(node, '/etc', '/etc/rcm-node');
  const files = [...before].filter(
    ([path, { sha256 }]) => path.startsWith('/etc/containerd/') && sha256 !== '',
  );
  for (const [when, snapshot] of [
    ['before', before],
    ['after', after],
  ] as const) {
    screen.say(`  ${screen.paint.dim(`${when}:`)}`);
    screen.output(
      files
        .map(([path]) => snapshot.get(path))
        .map((one, index) => `${one?.sha256.slice(0, 16)}…  ${one?.facts.slice(2)}  ${files[index]?.[0]}`)
        .join('\n'),
    );
  }
  const changed = differences(before, after);
  check(changed.length === 0, 'everything below /etc as before the install', changed);
  screen.proven(
    `Bytes, mode and owner of all ${files.length} files in /etc/containerd are as before, and so are the other` +
      ` ${after.size - files.length} files, links and folders below /etc.`,
  );

  const handlers = await servedHandlers(stage);
  check(handlers !== 'unknown' && !handlers.includes(handler), `"${handler}" no longer served`, handlers);
  check(restarts === 1, 'one restart of containerd for the uninstall', restarts);
  const image = await importImage(node, helloOciImage('end'));
  const pod = await runPod(node, { handler: 'runc', image, wait: 'exited' });
  check(pod.exitCode === 0, 'an ordinary Pod to run as ever', pod);
  screen.proven(`CRI serves ${handlers.toString()} again, and an ordinary Pod runs ("${pod.log.trim()}").`);
  stage.figures.push(
    ['uninstall, proof included', duration(took)],
    ['restarts of containerd for that', `${restarts}`],
    ['CRI away during that restart, at most', duration(outageMs)],
  );
};
