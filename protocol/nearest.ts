/** Which of the known words a misspelt one was meant to be. */

/** At most two edits away, and fewer than the word has letters. */
export const nearest = (word: string, known: readonly string[]): string | undefined =>
  known
    .filter((one) => Math.abs(one.length - word.length) <= 2)
    .map((one) => [edits(word.toLowerCase(), one.toLowerCase()), one] as const)
    .filter(([distance]) => distance <= 2 && distance < word.length)
    .sort(([a], [b]) => a - b)[0]?.[1];

const edits = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_unused, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    row = next;
  }
  return row[b.length] ?? 0;
};
