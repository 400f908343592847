/** A file that another program writes as a whole, and that says so. */

/** The line. Only a comment at the top is about the whole file; further down it is about the lines beside it. */
export const generatedAt = (text: string): number | undefined => {
  const rows = text.split('\n');
  const end = rows.findIndex((row) => !/^\s*(#|$)/.test(row));
  const line = rows.slice(0, end < 0 ? rows.length : end).findIndex((row) => /do not edit/i.test(row));
  return line < 0 ? undefined : line + 1;
};
