/** One measured figure and its limit, and the little arithmetic between samples and figure. */

export type Row = {
  readonly what: string;
  readonly value: number;
  /** `count`, `ratio` and `mean` have no unit to print. */
  readonly unit: 's' | 'ms' | 'MB' | 'kB' | '%' | '/s' | '/min' | 'ratio' | 'mean' | 'count';
  /** The most that is allowed; for a count exactly this. Absent where the figure is for information. */
  readonly limit?: number;
  /** How it was measured. */
  readonly how: string;
};

export const isMissed = (row: Row): boolean => {
  // A figure that could not be had is no figure that is good enough.
  if (!Number.isFinite(row.value)) return true;
  if (row.limit === undefined) return false;
  return row.unit === 'count' ? row.value !== row.limit : row.value > row.limit;
};

/** Of no samples it is NaN, which no limit lets pass. */
export const median = (samples: readonly number[]): number => {
  const sorted = [...samples].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
};

const digits = {
  ...{ s: 2, ms: 0, MB: 1, kB: 1, '%': 3, '/s': 0, '/min': 2 },
  ...{ ratio: 2, mean: 2, count: 0 },
} as const satisfies Record<Row['unit'], number>;

const isBare = (unit: Row['unit']): boolean => ['ratio', 'mean', 'count'].includes(unit);

export const spell = (value: number, unit: Row['unit']): string =>
  `${Number.isFinite(value) ? value.toFixed(digits[unit]) : '?'}${isBare(unit) ? '' : ` ${unit}`}`;
