/** A check of the demo that failed: what should have been seen, and what was. */
import { inspect } from 'node:util';

export class Disproved extends Error {
  override readonly name = 'Disproved';
  readonly expected: string;
  readonly seen: string;

  constructor(expected: string, seen: unknown) {
    super(`expected: ${expected}`);
    this.expected = expected;
    this.seen = typeof seen === 'string' ? seen : inspect(seen);
  }
}

/** Throws `Disproved` unless `holds`; `seen` is what a person needs to understand why. */
export const check = (holds: boolean, expected: string, seen: unknown): void => {
  if (!holds) throw new Disproved(expected, seen);
};
