/** JSON in which no key is given twice: two readers may take different ones, so one would verify what the other does not use. */

/** Throws an Error. */
export const strictJson = (text: string): unknown => {
  const value: unknown = JSON.parse(text);
  // Each string with a colon behind it is a key; JSON.parse has kept each key of an object once.
  const given = text.match(/"(?:[^"\\]|\\.)*"\s*:?/gs)?.filter((one) => one.endsWith(':')).length ?? 0;
  if (given !== keysIn(value)) throw new Error('a key is given twice');
  return value;
};

/** A list instead of recursion: nesting has no limit in JSON. */
const keysIn = (value: unknown): number => {
  let count = 0;
  const left = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next !== 'object' || next === null) continue;
    if (!Array.isArray(next)) count += Object.keys(next).length;
    for (const inner of Object.values(next)) left.push(inner);
  }
  return count;
};
