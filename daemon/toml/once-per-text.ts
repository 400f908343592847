/**
 * Files are read at each tick, and an unchanged one means what it meant before: what was made of a text is kept, so that an
 * idle node spends no time on it. Only for readers whose answer depends on the text alone.
 */

/** Of a text; longer ones, as the answer of a large cluster, would keep an idle process large. */
const mostCharacters = 64 * 1024;
/** Of all texts of one reader. */
const mostOfAll = 256 * 1024;

const freeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  // The bytes of a buffer cannot be frozen.
  if (!ArrayBuffer.isView(value)) Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
  return value;
};

/** What is made is frozen: the next one gets the same. What throws is made again each time. */
export const oncePerText = <T>(): ((text: string, make: () => T) => T) => {
  const known = new Map<string, T>();
  let size = 0;
  return (text, make) => {
    const found = known.get(text);
    if (found !== undefined || known.has(text)) return found as T;
    const made = freeze(make());
    if (text.length > mostCharacters) return made;
    // Texts of which there are many are rarely asked for again.
    if (size + text.length > mostOfAll) {
      known.clear();
      size = 0;
    }
    known.set(text, made);
    size += text.length;
    return made;
  };
};
