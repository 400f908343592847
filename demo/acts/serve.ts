/** Act 2: the service starts, brings the handler, restarts containerd once and proves it. */
import { check } from '../disproved.ts';
import { duration } from '../fit.ts';
import { measureOutage } from '../outage.ts';
import {
  isConverged,
  readReport,
  type Stage,
  servedHandlers,
  show,
  showContainerd,
  startsOfContainerd,
  until,
} from '../stage/stage.ts';
import { handler } from '../stage/shim-files.ts';

export const actServe = async (stage: Stage, dropped: number): Promise<void> => {
  const { screen, node } = stage;
  screen.title(
    '2/9  The install: crun with WasmEdge becomes a handler; containerd restarts once, and is proven',
  );
  const starts = await startsOfContainerd(stage);
  const before = await showContainerd(stage);
  const meter = measureOutage(() => node.criSocket);
  await show(stage, ['systemctl', 'enable', '--now', 'rcm-node']);
  await screen.during('fetch, check, switch, restart, prove (healthy for 6 s)', () =>
    until(
      `"${handler}" served and proven`,
      120,
      () => isConverged(stage),
      () => readReport(stage) ?? 'no status yet',
    ),
  );
  const served = performance.now() - dropped;
  const { outageMs, questions } = await meter.stop();
  const after = await showContainerd(stage);
  const restarts = (await startsOfContainerd(stage)) - starts;
  const handlers = await servedHandlers(stage);
  check(restarts === 1, 'containerd started once more than before', `${restarts} times more`);
  check(before !== after && after.includes('ActiveState=active'), 'another, active run of containerd', after);
  check(
    handlers !== 'unknown' && handlers.includes(handler) && handlers.includes('runc'),
    `"${handler}" and "runc" among the handlers that CRI serves`,
    handlers,
  );
  screen.proven(`containerd was restarted once. CRI answers and serves: ${[...handlers].sort().join(', ')}.`);
  screen.proven(
    `From the file dropped to the handler served and proven: ${duration(served)}. CRI was away for ${duration(outageMs)}` +
      ` (${questions} questions, one every 20 ms).`,
  );
  stage.figures.push(
    ['from the file dropped to the handler served and proven', duration(served)],
    ['restarts of containerd for that', `${restarts}`],
    ['CRI away during that restart, at most', duration(outageMs)],
  );
};
