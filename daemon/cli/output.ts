/** Standard output: text or JSON, and colour where a person looks. No address in it has credentials. */
import { maskUrls } from '../model/mask.ts';
import { paintFor } from './print.ts';

export const out = (text: string): void => {
  process.stdout.write(maskUrls(text));
};

/** Integers beyond 2^53 as strings: JSON has no others. */
export const json = (value: unknown): void =>
  out(
    `${JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? inner.toString() : inner), 2)}\n`,
  );

export const paint = paintFor(process.stdout.isTTY === true, process.env.NO_COLOR);
