/** Digests of values and bytes, the same in all three programs: a revision, a folder of the store and a label's name are made of them. */
import { createHash } from 'node:crypto';

export const digestOf = (text: string | Uint8Array): string =>
  createHash('sha256').update(text).digest('hex');

/** JSON with sorted keys: equal values give equal text whatever order they were written in, and no integer that of a string. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner === 'bigint') return { $int: `${inner}` };
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
