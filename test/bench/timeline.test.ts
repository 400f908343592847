import t from 'tap';
import { linesOf, timelineOf } from '../../bench/node/timeline.ts';

const entry = (atMs: number, message: string): string =>
  JSON.stringify({
    __REALTIME_TIMESTAMP: `${atMs * 1000}`,
    MESSAGE: JSON.stringify({ level: 'debug', message }),
  });

t.test('the timeline has the first line of each kind, in the order of a change', (t) => {
  const lines = linesOf(
    [
      entry(900, 'looking'),
      entry(1_004, 'looking, before the end of the burst'),
      JSON.stringify({ __REALTIME_TIMESTAMP: '1010000', MESSAGE: 'Started' }),
      entry(1_020, 'fetch file:///srv/a.tar.gz for one'),
      entry(1_250, 'prepared'),
      entry(1_302, 'looking'),
      entry(1_340, 'plan: wait until no container is being created'),
      entry(1_342, 'step 2 of 6: link'),
      entry(1_344, 'step 3 of 6: write'),
      entry(1_347, 'step 4 of 6: activate'),
      entry(1_354, 'restarting containerd.service'),
      entry(1_412, 'step 5 of 6: prove'),
      '',
    ].join('\n'),
  );
  const at = timelineOf(lines, 1_000).map(([ms]) => ms);
  t.strictSame(at, [4, 20, 250, 302, 340, 342, 347, 354, 412]);
  const early = lines.filter(({ message }) => message !== 'prepared');
  t.equal(timelineOf(early, 1_000).length, 8, 'what did not come is left out');
  t.strictSame(timelineOf(lines, 2_000), []);
  t.end();
});
