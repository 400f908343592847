/** Standard output: text or JSON, and colour where a person looks. No address in it has credentials. */
import { maskUrls } from '../protocol/problem/mask.ts';
import { paintFor } from './print.ts';

export const out = (text: string): void => {
  process.stdout.write(maskUrls(text));
};

/** Each text for itself: in JSON a line break is "\\n", and an address that ends there would lose the half of it. */
const shown = (_key: string, inner: unknown): unknown =>
  typeof inner === 'string' ? maskUrls(inner) : typeof inner === 'bigint' ? inner.toString() : inner;

/** Integers beyond 2^53 as strings: JSON has no others. */
export const json = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value, shown, 2)}\n`);
};

export const paint = paintFor(process.stdout.isTTY === true, process.env.NO_COLOR, process.env.TERM);

/** Of the terminal. A file and a pipe have room for every line. */
export const columns: number = (process.stdout.isTTY && process.stdout.columns) || Number.POSITIVE_INFINITY;
