/** How the parts of an account are printed. */
import type { Counts } from '../cluster/account.ts';
import type { Wire } from '../cluster/wire.ts';

export const spelled = (counts: Counts): string =>
  Object.entries(counts)
    .map(([what, count]) => `${count} ${what}`)
    .join(', ') || 'none';

/** Bytes by what was asked, the most first; what is less than a hundredth of all is one. */
export const bytesSpelled = (wire: Wire, divisor: number, unit: string): string => {
  const rows = Object.entries(wire)
    .map(([what, { sent, received }]) => ({ what, sent, received, all: sent + received }))
    .sort((a, b) => b.all - a.all);
  const total = rows.reduce((sum, { all }) => sum + all, 0);
  const large = rows.filter(({ all }) => all >= total / 100 && all > 0);
  const rest = total - large.reduce((sum, { all }) => sum + all, 0);
  const said = (bytes: number): string => (bytes / divisor).toFixed(bytes / divisor < 10 ? 1 : 0);
  const parts = large.map(({ what, sent, received }) => `${what} ${said(sent)} out, ${said(received)} in`);
  return `${[...parts, ...(rest > 0 ? [`others ${said(rest)}`] : [])].join('; ')} (${unit})`;
};

export const bytesOfWire = (wire: Wire): number =>
  Object.values(wire).reduce((sum, { sent, received }) => sum + sent + received, 0);
