/** Tables of TOML as values, and how Go's mergo puts one over another. */
export type Table = Record<string, unknown>;

export const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
export const isZero = (value: unknown): boolean =>
  value === undefined || value === '' || value === 0 || value === false;
export const tableOf = (value: unknown): Table => (isTable(value) ? value : {});
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** mergo with override, on maps: every scalar of the later file wins, even an empty one. */
export const deep = (to: unknown, from: unknown): unknown =>
  isTable(to) && isTable(from)
    ? Object.fromEntries(
        [...new Set([...Object.keys(to), ...Object.keys(from)])].map((key) => [
          key,
          key in from ? (key in to ? deep(to[key], from[key]) : from[key]) : to[key],
        ]),
      )
    : from;
