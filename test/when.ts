/**
 * When a test file runs. Each says it itself in its first comment, with the reason: "Every stop: …" (`npm run test:crash`, and
 * whatever lands) or "Every night: …" (`npm run test:all`). One that says nothing runs always.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type When = { readonly tier: 'always' | 'stop' | 'night'; readonly why: string };

/** Reads the first comment alone: what a test says of other things further down does not count. */
export function whenOf(root: string, file: string): When {
  const text = readFileSync(join(root, file), 'utf8');
  const comment = /^\/\*\*([\s\S]*?)\*\//.exec(text)?.[1]?.replace(/\s*\n \*\s?/g, ' ') ?? '';
  const [, tier, why = ''] = /\bEvery (stop|night): (.*?[^.]*)\./.exec(comment) ?? [];
  return { tier: tier === 'stop' || tier === 'night' ? tier : 'always', why };
}
