/** Watches all Nodes and one Shim: every single change, in the order of etcd. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectApi } from '../../kube/client.ts';
import { problemOf } from '../../protocol/problem/problem.ts';
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

type Versioned = { readonly metadata: { readonly resourceVersion: string } };

/** Bookmarks come each minute, also from a server with much to do. */
const idleMs = 240_000;

/**
 * `missed`: a server no longer had the changes after the last one that was seen. One that only ends a watch, as a busy one does to
 * a slow client, loses nothing: the next watch goes on where it ended.
 */
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
    const seen = { version: '' };
    const onEvent = ({ type, object }: { readonly type: string; readonly object: unknown }): void => {
      seen.version = (object as Versioned).metadata.resourceVersion;
      if (type !== 'BOOKMARK') take(object);
    };
    const watchOnce = async (): Promise<void> => {
      if (seen.version === '') {
        const list = (await api.request('GET', `${path}?limit=1`)) as Versioned;
        seen.version = list.metadata.resourceVersion;
      }
      const query = { resourceVersion: seen.version, allowWatchBookmarks: 'true', timeoutSeconds: '7200' };
      await api.watch(path, { query, as, idleMs, onEvent });
    };
    const watch = async (): Promise<void> => {
      while (!state.closed) {
        const error = await watchOnce().catch((reason: unknown) => reason);
        if (state.closed) return;
        if (problemOf(error).code === 'api-gone') {
          missed(error);
          seen.version = '';
        }
        // A server that fills its memory from etcd refuses at first.
        await sleep(1_000);
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
