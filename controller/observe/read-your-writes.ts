/**
 * What we wrote ourselves, laid over what the watch shows, until the watch has caught up. Without it a pass that comes
 * quickly after another would see none of the approvals just given, and give as many again.
 */
import type { Clock } from '../../host/host.ts';

type Item = { readonly name: string; readonly uid: string; readonly resourceVersion: string };

export type OwnWrites<T> = {
  /** The answer to a write. */
  put(item: T): void;
  /** It was deleted, and is no more. */
  gone(item: T): void;
  /** The same, or what we made of it since. */
  latest(item: T): T;
  /** `version`: that of the watch as a whole. */
  over(items: readonly T[], version: string | undefined): readonly T[];
};

/** Nothing lags for so long; after a backup was restored, versions begin again from lower ones. */
const longestMs = 600_000;

const isCount = (text: string): boolean => /^[0-9]+$/.test(text);

/**
 * Versions of one resource type are integers that grow, of any length.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 */
export const isNewer = (one: string, other: string | undefined): boolean => {
  if (other === undefined || !isCount(one) || !isCount(other)) return false;
  return one.length === other.length ? one > other : one.length > other.length;
};

export const makeOwnWrites = <T extends Item>(clock: Clock): OwnWrites<T> => {
  const written = new Map<string, { readonly item: T; readonly at: number }>();
  const removed = new Map<string, number>();

  const expire = (): void => {
    const oldest = clock.elapsed() - longestMs;
    for (const [name, { at }] of written) if (at < oldest) written.delete(name);
    for (const [uid, at] of removed) if (at < oldest) removed.delete(uid);
  };

  return {
    put: (item) => void written.set(item.name, { item, at: clock.elapsed() }),
    gone: (item) => {
      removed.set(item.uid, clock.elapsed());
      written.delete(item.name);
    },
    latest: (item) => {
      const own = written.get(item.name)?.item;
      return own !== undefined && isNewer(own.resourceVersion, item.resourceVersion) ? own : item;
    },
    over: (items, version) => {
      expire();
      if (written.size === 0 && removed.size === 0) return items;
      const seen = new Set<string>();
      const shown = items.flatMap((item) => {
        seen.add(item.name);
        const own = written.get(item.name)?.item;
        if (own !== undefined && isNewer(own.resourceVersion, item.resourceVersion)) return [own];
        written.delete(item.name);
        return removed.has(item.uid) ? [] : [item];
      });
      // Made by us, and not yet seen; what the watch has passed by was removed by others.
      const made = [...written.values()].flatMap(({ item }) => {
        if (seen.has(item.name)) return [];
        if (isNewer(item.resourceVersion, version)) return [item];
        written.delete(item.name);
        return [];
      });
      return [...shown, ...made];
    },
  };
};
