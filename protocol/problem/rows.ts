/** Rows of the table of problems: what a person can do, and when trying again makes sense. */

/** `soon`: with backoff, nothing has to change. `changed`: only when the input or the host changed. */
export type Retry = 'soon' | 'changed';

type Row = { readonly hint: string; readonly retry: Retry };

const rows =
  (retry: Retry) =>
  <Code extends string>(hints: Readonly<Record<Code, string>>): Readonly<Record<Code, Row>> =>
    Object.fromEntries(
      Object.entries<string>(hints).map(([code, hint]) => [code, { hint, retry }]),
    ) as Record<Code, Row>;

export const soon = rows('soon');
export const changed = rows('changed');
