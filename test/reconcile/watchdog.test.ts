import t from 'tap';
import { longestSilence } from '../../daemon/decide/backoff.ts';
import type { Notifier } from '../../host/systemd/notify.ts';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { startWatchdog } from '../../daemon/reconcile/watchdog.ts';
import { makeRoot, openNode } from '../../testbed/simulated/node.ts';

const patience = longestSilence(defaultSettings.downloadTimeout * 1000);

const listening = (watchdogMs?: number) => {
  const heard = { beats: 0 };
  const nothing = async (): Promise<void> => undefined;
  const notifier: Notifier = {
    ready: nothing,
    status: nothing,
    stopping: nothing,
    watchdog: async () => void heard.beats++,
    watchdogMs,
  };
  return { heard, notifier };
};

t.test('it beats while the work moves, and no more once it stood still for too long', async (t) => {
  const { fake } = openNode(makeRoot(t), { version: '2.1.4' });
  const { heard, notifier } = listening();
  const pulse = startWatchdog(fake.host, notifier);
  const after = (ms: number): number => {
    fake.advance(ms);
    heard.beats = 0;
    pulse.beat();
    return heard.beats;
  };
  t.equal(after(patience), 1, 'an honest wait');
  t.equal(after(1), 0);
  t.equal(after(1000), 0);
  t.equal(fake.lines.filter((line) => /nothing has moved for 1200 s/.test(line)).length, 1, 'said once');
  await pulse.host.files.look('/etc');
  t.equal(after(patience), 1, 'whatever is asked of the host is a sign of life');
  await fake.host.files.look('/etc');
  t.equal(after(1), 0, 'but not what others do meanwhile');
});

t.test('what a part of the host makes is attended too: a connection, a piece of a download', async (t) => {
  const { fake } = openNode(makeRoot(t), { version: '2.1.4' });
  const { heard, notifier } = listening();
  const pulse = startWatchdog(fake.host, notifier);
  const cri = pulse.host.cri(fake.host.files.real('/run/containerd/containerd.sock'));
  const signs: readonly (() => unknown)[] = [
    () => cri.version(),
    () => pulse.host.clock.elapsed(),
    () => pulse.host.systemd?.unit('containerd.service'),
    () => cri.close(),
  ];
  for (const sign of signs) {
    fake.advance(patience);
    await sign();
    fake.advance(patience);
    heard.beats = 0;
    pulse.beat();
    t.equal(heard.beats, 1, sign.toString());
  }
});

t.test('an answer counts as well as the question', async (t) => {
  const { fake } = openNode(makeRoot(t), { version: '2.1.4' });
  const { heard, notifier } = listening();
  const answer = Promise.withResolvers<void>();
  const pulse = startWatchdog(
    { ...fake.host, files: { ...fake.host.files, makeFolder: () => answer.promise } },
    notifier,
  );
  const asked = pulse.host.files.makeFolder('/etc/x');
  fake.advance(patience);
  answer.resolve();
  await asked;
  fake.advance(patience);
  pulse.beat();
  t.equal(heard.beats, 1);
});

t.test('to rest is no standstill, and a longer deadline of downloads is waited for', async (t) => {
  const { fake } = openNode(makeRoot(t), { version: '2.1.4' });
  const { heard, notifier } = listening();
  const pulse = startWatchdog(fake.host, notifier);
  const over = Promise.withResolvers<void>();
  const rest = pulse.resting(() => over.promise);
  fake.advance(86_400_000);
  pulse.beat();
  t.equal(heard.beats, 1);
  over.resolve();
  await rest;
  pulse.beat();
  t.equal(heard.beats, 2, 'the silence of the rest is not held against the work that follows');
  pulse.obey({ ...defaultSettings, downloadTimeout: 86_400 });
  fake.advance(86_400_000);
  pulse.beat();
  t.equal(heard.beats, 3);
});

t.test('where systemd waits for a sign it comes by itself, until it is stopped', async (t) => {
  const { fake } = openNode(makeRoot(t), { version: '2.1.4' });
  const third = Promise.withResolvers<void>();
  const { notifier } = listening(2);
  const heard = { beats: 0 };
  const pulse = startWatchdog(fake.host, {
    ...notifier,
    watchdog: async () => {
      if (++heard.beats === 3) third.resolve();
    },
  });
  // The timer alone does not keep a process up.
  const awake = setInterval(() => undefined, 1000);
  await third.promise;
  pulse.stop();
  const before = heard.beats;
  await new Promise((resolve) => setTimeout(resolve, 20));
  clearInterval(awake);
  t.equal(heard.beats, before);
});
