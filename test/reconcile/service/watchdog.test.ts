import t from 'tap';
import { longestSilence } from '../../../daemon/decide/backoff.ts';
import type { Notifier } from '../../../host/systemd/notify.ts';
import { defaultSettings } from '../../../daemon/model/settings.ts';
import { startWatchdog } from '../../../daemon/reconcile/service/watchdog.ts';
import { makeRoot, openNode, program, shimFile } from '../../../testbed/simulated/node.ts';

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

t.test(
  'the watchdog is fed while work progresses, and no more once it stood still for too long',
  async (t) => {
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
    t.equal(fake.lines.filter((line) => /no progress for 1200 s/.test(line)).length, 1, 'said once');
    pulse.host.progress();
    t.equal(after(patience), 1, 'a step is a sign of life');
    fake.host.progress();
    t.equal(after(1), 0, 'but not what others do meanwhile');
    pulse.host.clock.elapsed();
    await pulse.host.files.look('/etc');
    t.equal(after(1), 0, 'nor to ask, which a loop without an end does too');
  },
);

t.test('each long operation of a tick begins with a sign of progress', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const { host } = node.fake;
  const { systemd, files } = host;
  if (!systemd) return t.fail();
  const said: string[] = [];
  const heard =
    <A extends readonly unknown[], R>(what: string, work: (...given: A) => R) =>
    (...given: A): R => {
      said.push(what);
      return work(...given);
    };
  const watched = {
    ...host,
    progress: () => void said.push('progress'),
    download: heard('download', host.download),
    systemd: { ...systemd, restart: heard('restart', systemd.restart) },
    files: { ...files, digest: heard('digest', files.digest) },
  };
  for (const name of ['spin', 'wws']) {
    node.write(`/srv/artifacts/${name}`, program(name));
    node.write(`/etc/rcm-node/shims.d/${name}.toml`, shimFile(name));
  }
  t.match(await node.once({}, watched), { outcome: { kind: 'converged' } });
  await node.once({}, watched);
  for (const what of ['download', 'restart', 'digest']) {
    const before = said.flatMap((one, at) => (one === what ? [said[at - 1]] : []));
    t.ok(before.length > 0, what);
    t.same(new Set(before), new Set(['progress']), `before ${what}`);
  }
});

t.test('a pause is no standstill, and a longer deadline of downloads is accepted', async (t) => {
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

t.test('during start and stop signs of progress are sent automatically, until it is stopped', async (t) => {
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
