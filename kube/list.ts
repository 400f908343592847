/** The list that a reflector begins with: its resourceVersion, and its pages. */
import type { Api } from './client.ts';
import { listForms } from './exchange.ts';
import { type KubeObject, pageOf, putKept } from './objects.ts';

/**
 * Which resourceVersion a list must have. `cached`: any, from the server's watch cache, because thousands of nodes list at
 * their start. `newer`: from the cache too, but not older than the last version seen. `consistent`: the current one.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list
 */
export type Need = 'cached' | 'newer' | 'consistent';

type What = {
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly form?: keyof typeof listForms | undefined;
  readonly limit?: number;
};

/** From its watch cache a server sends the whole list, whatever the limit; only a consistent list has pages. */
const versionsFor = (need: Need, known: string | undefined, limit: number | undefined) => {
  if (limit !== undefined) return { limit: `${limit}` };
  if (need === 'cached') return { resourceVersion: '0' };
  return need === 'newer' ? { resourceVersion: known ?? '0', resourceVersionMatch: 'NotOlderThan' } : {};
};

/** Keeps of each page only what `keep` takes, before the next page is read. */
export const listAll = async <T>(
  api: Api,
  { path, query: asked, form, limit }: What,
  given: {
    readonly need: Need;
    /** The version that was seen last. */
    readonly known: string | undefined;
    readonly signal: AbortSignal;
    /** Undefined: it is left out. */
    keep(object: KubeObject): T | undefined;
  },
): Promise<{ readonly items: Map<string, T>; readonly version: string }> => {
  const items = new Map<string, T>();
  const as = form && listForms[form];
  let query: Readonly<Record<string, string>> = {
    ...asked,
    ...versionsFor(given.need, given.known, limit),
  };
  for (;;) {
    const page = pageOf(await api.request('GET', path, { query, as, signal: given.signal }));
    for (const item of page.items) putKept(items, given.keep, item);
    if (page.next === undefined) return { items, version: page.version };
    query = { ...asked, ...(limit === undefined ? {} : { limit: `${limit}` }), continue: page.next };
  }
};
