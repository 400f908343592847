import t from 'tap';
import { followKnative, knativePatch } from '../../controller/knative.ts';
import { needsOpenssl } from '../../testbed/simulated/api-server.ts';
import { paths } from '../../testbed/controller/fleet-objects.ts';
import { startFleet } from '../../testbed/controller/fleet-server.ts';
import { keepLog } from '../../testbed/controller/kept-log.ts';
import { shortClock } from '../../testbed/controller/timing.ts';
import { until } from '../../testbed/until.ts';

const flag = 'kubernetes.podspec-runtimeclassname';
const features = (data?: Record<string, string>) => ({
  metadata: { name: 'config-features', namespace: 'knative-serving' },
  ...(data ? { data } : {}),
});

t.test('the flag is set, the former value is kept beside it, and is restored', needsOpenssl, async (t) => {
  for (const [found, back] of [
    [undefined, undefined],
    ['disabled', 'disabled'],
  ] as const) {
    const fleet = await startFleet(t);
    const given = { other: 'enabled', ...(found ? { [flag]: found } : {}) };
    fleet.put(paths.knative, features(given));
    const data = () => fleet.get(paths.knative, 'config-features')?.data as Record<string, string>;
    const { log } = keepLog();
    const first = new AbortController();
    const following = followKnative(fleet.connect(), shortClock(), log, true, first.signal);
    await until(() => data()[flag] === 'enabled');
    fleet.put(paths.knative, {
      ...fleet.get(paths.knative, 'config-features')!,
      data: { ...given, [flag]: 'disabled' },
    });
    await until(() => data()[flag] === 'enabled');
    first.abort();
    await following;
    await followKnative(fleet.connect(), shortClock(), log, false, new AbortController().signal);
    t.same(data(), { other: 'enabled', ...(back ? { [flag]: back } : {}) });
    t.same(fleet.get(paths.knative, 'config-features')?.metadata.annotations, {});
  }
});

t.test('a right value is not written', async (t) => {
  t.equal(knativePatch({ data: { [flag]: 'Enabled' } }, true), undefined);
  t.equal(knativePatch({ data: { [flag]: 'enabled' } }, false), undefined, 'the former value is not known');
  const ours = { annotations: { 'rcm.spinkube.dev/knative-former': '"disabled"' } };
  t.same(
    knativePatch({ metadata: ours, data: { [flag]: 'allowed' } }, false),
    { metadata: { annotations: { 'rcm.spinkube.dev/knative-former': null } } },
    'what another writer set after us stays',
  );
  const damaged = { annotations: { 'rcm.spinkube.dev/knative-former': 'x' } };
  t.match(knativePatch({ metadata: damaged, data: { [flag]: 'enabled' } }, false), {
    data: { [flag]: null },
  });
});

t.test('without the Knative option nothing is logged about it', needsOpenssl, async (t) => {
  for (const status of [403, 404]) {
    const fleet = await startFleet(t);
    fleet.world.fail = () => status;
    const { log, lines } = keepLog();
    await followKnative(fleet.connect(), shortClock(), log, false, new AbortController().signal);
    t.same(lines, []);
  }
});

t.test('with the option, a failure is logged once, and the flag is set later', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const { log, lines } = keepLog();
  const stop = new AbortController();
  const following = followKnative(fleet.connect(), shortClock(), log, true, stop.signal);
  await until(() => fleet.server.asked.length > 3);
  t.equal(lines.length, 1);
  t.match(lines[0], { level: 'warn', message: /config-features.*404/ });
  fleet.put(paths.knative, features());
  await until(() => lines.some(({ message }) => message.endsWith('is enabled')));
  stop.abort();
  await following;
});
