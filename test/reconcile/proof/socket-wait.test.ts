import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { makeFiles } from '../../../host/files/files.ts';
import { watchFolders } from '../../../host/files/watch.ts';
import { type Host, realClock } from '../../../host/host.ts';
import { waitBySocket } from '../../../daemon/reconcile/proof/socket-wait.ts';

/** Real folders and a real watch; a pause of 200 ms never ends by itself if `endless`. */
const stage = (
  t: Test,
  { endless = false, watch = watchFolders }: { endless?: boolean; watch?: Host['watch'] } = {},
) => {
  const root = mkdtempSync(join(tmpdir(), 'rcm-wait-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const pauses: number[] = [];
  const clock: Host['clock'] = {
    ...realClock,
    sleep: async (ms, signal) => {
      pauses.push(ms);
      if (!endless || ms < 200) return;
      // A watch alone keeps no process alive.
      const alive = setInterval(() => undefined, 1_000);
      const ended = Promise.withResolvers<void>();
      signal?.addEventListener('abort', () => ended.resolve());
      if (signal?.aborted !== true) await ended.promise;
      clearInterval(alive);
    },
  };
  const wait = waitBySocket({ files: makeFiles(root), clock, watch }, '/runtime.sock');
  t.teardown(wait.close);
  return { root, wait, pauses };
};

const untilLong = async ({ wait, pauses }: ReturnType<typeof stage>): Promise<void> => {
  while (pauses.at(-1) !== 160) await wait.pause();
};

t.test('a pause becomes longer, up to a fifth of a second', async (t) => {
  const { wait, pauses } = stage(t);
  for (let at = 0; at < 8; at += 1) await wait.pause();
  t.strictSame(pauses, [10, 20, 40, 80, 160, 200, 200, 200]);
});

t.test('it ends when the socket appears, and the next looks follow soon', async (t) => {
  const staged = stage(t, { endless: true });
  const { root, wait, pauses } = staged;
  await untilLong(staged);
  const ended = wait.pause();
  await sleep(50);
  writeFileSync(join(root, 'another-file'), '');
  writeFileSync(join(root, 'runtime.sock'), '');
  await ended;
  t.equal(pauses.at(-1), 200, 'it did not end by time');
  // A second event may still come.
  await sleep(50);
  await wait.pause();
  t.equal(pauses.at(-1), 10);
});

t.test('an appearance between two pauses is not missed', async (t) => {
  const staged = stage(t, { endless: true });
  await untilLong(staged);
  writeFileSync(join(staged.root, 'runtime.sock'), '');
  await sleep(50);
  await staged.wait.pause();
  t.equal(staged.pauses.at(-1), 200, 'it ended at once');
});

t.test('without a watch, a pause ends by time', async (t) => {
  const { wait, pauses } = stage(t, { watch: () => ({ set: (folders) => folders, close: () => undefined }) });
  for (let at = 0; at < 6; at += 1) await wait.pause();
  t.equal(pauses.at(-1), 200);
});
