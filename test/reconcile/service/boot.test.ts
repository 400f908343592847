import t from 'tap';
import type { Host } from '../../../host/host.ts';
import { waitForBoot } from '../../../daemon/reconcile/service/boot.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';

const units = ['containerd.service', 'crio.service'];

/** A host in which `due` tells, of each unit that is asked for, whether a job of it is left. */
const booting = (t: Parameters<typeof makeRoot>[0], state: string, due: (unit: string) => boolean): Host => {
  const { host } = openNode(makeRoot(t), { version: '2.1.4' }).fake;
  const { systemd } = host;
  if (!systemd) throw new Error('the host has no systemd');
  return {
    ...host,
    systemd: { ...systemd, state: async () => state, hasJob: async (unit) => due(unit) },
  };
};
const took = async (host: Host, stops = (): boolean => false): Promise<number> => {
  const began = host.clock.elapsed();
  await waitForBoot(host, units, stops);
  return host.clock.elapsed() - began;
};

t.test('at boot the first tick waits for the runtime that systemd is about to start', async (t) => {
  const left = { polls: 5 };
  const host = booting(t, 'starting', (unit) => unit === 'crio.service' && left.polls-- > 0);
  t.equal(await took(host), 2500);
});

t.test('not for one without a job, not on a host that is up, not for ever, not past a stop', async (t) => {
  t.equal(await took(booting(t, 'starting', () => false)), 0);
  t.equal(await took(booting(t, 'running', () => true)), 0, 'a job of another person is no boot');
  t.equal(await took(booting(t, 'initializing', () => true)), 60_000);
  const asked = { times: 0 };
  const host = booting(t, 'starting', () => true);
  t.equal(await took(host, () => ++asked.times > 3), 1500);
});

t.test('a bus that cannot be asked is for the first tick to report', async (t) => {
  const host = booting(t, 'starting', () => {
    throw new Error('lost');
  });
  t.equal(await took(host), 0);
  await waitForBoot({ ...host, systemd: undefined }, units, () => false);
});
