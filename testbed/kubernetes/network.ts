/**
 * The network of one cluster: a bridge on this machine whose ports are the nodes. The control plane listens on the
 * bridge's own address. Each Pod network is routed through its node, so Pods and this machine reach each other.
 */
import { join } from 'node:path';
import { acquireLock } from '../../host/files/lock.ts';
import { run } from '../machine/command.ts';
import { claimBridge, type Estate } from '../machine/estate.ts';
import { cacheDir } from '../artifacts/images.ts';

export type ClusterNetwork = {
  readonly bridge: string;
  /** The control plane's address; also where nodes send what is not for each other. */
  readonly address: string;
  /** For what only the control plane itself needs: no node reaches it. */
  readonly loopback: string;
  readonly services: string;
  /** The first address of the services: that of the API server, from inside. */
  readonly serviceAddress: string;
  /** The address and the Pod network of the `number`th node, from 1. */
  node(number: number): { readonly address: string; readonly pods: string };
  routePods(number: number): Promise<void>;
};

/** The second part of addresses that nothing on this machine uses yet. */
const freePart = async (): Promise<number> => {
  const routes = await run(['ip', '-4', 'route', 'show', 'table', 'all']);
  const used = new Set([...routes.matchAll(/\b10\.(\d+)\./g)].map(([, part]) => Number(part)));
  for (let part = 128; part < 192; part += 1) if (!used.has(part)) return part;
  throw new Error('no network of 10.128.0.0/10 is free on this machine');
};

/** `estate` must be claimed: the bridge goes away with it. */
export const makeNetwork = async (estate: Estate, bridge: string): Promise<ClusterNetwork> => {
  // Two at once would choose the same network.
  const lock = await acquireLock(join(cacheDir(), 'network.lock'), { waitMs: 60_000 });
  try {
    const prefix = `10.${await freePart()}`;
    const address = `${prefix}.0.1`;
    const serviceAddress = `${prefix}.255.1`;
    claimBridge(estate, bridge);
    await run(['ip', 'link', 'add', bridge, 'type', 'bridge']);
    await run(['ip', 'address', 'add', `${address}/24`, 'dev', bridge]);
    await run(['ip', 'address', 'add', `${serviceAddress}/32`, 'dev', bridge]);
    await run(['ip', 'link', 'set', bridge, 'up']);
    const node: ClusterNetwork['node'] = (number) => ({
      address: `${prefix}.0.${number + 1}`,
      pods: `${prefix}.${number}.0/24`,
    });
    return {
      bridge,
      address,
      loopback: `127.${prefix.slice(3)}.0.1`,
      services: `${prefix}.255.0/24`,
      serviceAddress,
      node,
      routePods: async (number) => {
        const { address: via, pods } = node(number);
        await run(['ip', 'route', 'replace', pods, 'via', via, 'dev', bridge]);
      },
    };
  } finally {
    await lock.release();
  }
};
