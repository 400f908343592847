/** Watches all Nodes and one Shim: every single change, in the order of etcd. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectApi } from '../../kube/client.ts';
import { realClock } from '../../host/host.ts';
import type { Cluster } from '../../testbed/cluster/cluster.ts';
import type { NodeObject } from '../../protocol/shim-object.ts';
import type { ShimStatus } from '../../controller/model/fleet.ts';

export type SeenShim = {
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly status?: Partial<ShimStatus>;
};

export type Watcher = {
  /** Set while something is to be looked at. */
  onNode: ((node: NodeObject) => void) | undefined;
  onShim: ((shim: SeenShim) => void) | undefined;
  close(): void;
};

/** Bookmarks come each minute, also from a server with much to do. */
const idleMs = 240_000;

/** `missed`: a watch ended, so that changes may have been missed; it begins anew with everything as it is then. */
export const watchCluster = (cluster: Cluster, missed: (error: unknown) => void): Watcher => {
  const { server, authority } = cluster;
  const identity = authority.issue({ commonName: 'watcher', organizations: ['system:masters'] });
  const client = { kind: 'certificate', cert: identity.certificate, key: identity.key } as const;
  const api = connectApi(async () => ({ server, ca: authority.certificate, client }), realClock);
  const state = { closed: false };
  const watcher: Watcher = {
    onNode: undefined,
    onShim: undefined,
    close: () => {
      state.closed = true;
      api.close();
    },
  };
  const follow = (path: string, as: 'metadata' | undefined, take: (object: unknown) => void): void => {
    const query = { resourceVersion: '0', allowWatchBookmarks: 'true', timeoutSeconds: '7200' };
    const onEvent = ({ type, object }: { readonly type: string; readonly object: unknown }): void => {
      if (type !== 'BOOKMARK') take(object);
    };
    const watch = async (): Promise<void> => {
      while (!state.closed) {
        let opened = false;
        const onOpen = (): void => {
          opened = true;
        };
        const end = await api
          .watch(path, { query, as, idleMs, onOpen, onEvent })
          .catch((error: unknown) => error);
        // A server that fills its memory from etcd refuses at first.
        if (!opened) await sleep(1_000);
        else if (!state.closed) missed(end ?? new Error(`the watch of ${path} ended`));
      }
    };
    void watch();
  };
  follow('/api/v1/nodes', 'metadata', (object) => watcher.onNode?.(object as NodeObject));
  follow('/apis/runtime.spinkube.dev/v1alpha1/shims', undefined, (object) =>
    watcher.onShim?.(object as SeenShim),
  );
  return watcher;
};
