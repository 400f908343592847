/**
 * What may stand in a field of a file: how it is read, and the same as a JSON Schema, so that an editor says of a file what
 * rcm-node will say. What two fields say of each other is for the reader alone.
 */
import { at, boolean, type Cursor, elements, integer, required, string, table } from './cursor.ts';

export type Schema = Readonly<Record<string, unknown>>;

export type Field<T> = {
  /** `undefined`: it is absent. */
  readonly read: (cursor: Cursor) => T | undefined;
  readonly schema: Schema;
};

export const booleanField: Field<boolean> = { read: boolean, schema: { type: 'boolean' } };

export const integerField = (least: number, most: number): Field<number> => ({
  read: (cursor) => integer(cursor, least, most),
  schema: { type: 'integer', minimum: least, maximum: most },
});

/** `says`: what is expected, in words. */
export const stringField = (fits: RegExp, says: string): Field<string> => ({
  read: (cursor) => string(cursor, fits, says),
  schema: { type: 'string', pattern: fits.source },
});

export const anyString: Field<string> = { read: (cursor) => string(cursor), schema: { type: 'string' } };

export const oneOf = <const T extends string>(values: readonly [T, T, ...T[]]): Field<T> => {
  const shown = values.map((value) => `"${value}"`);
  const says = `${shown.slice(0, -1).join(', ')} or ${shown.at(-1)} is expected`;
  return {
    read: (cursor) => string(cursor, new RegExp(`^(${values.join('|')})$`), says) as T | undefined,
    schema: { enum: values },
  };
};

export const listField = <T>(element: Field<T>): Field<readonly T[]> => ({
  read: (cursor) =>
    cursor.value === undefined ? undefined : elements(cursor).map((one) => required(one, element.read(one))),
  schema: { type: 'array', items: element.schema },
});

type Fields = Readonly<Record<string, Field<unknown>>>;
type Values<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer T> ? T | undefined : never;
};

/** `needed`: without these it is refused. */
export const tableField = <F extends Fields>(
  fields: F,
  needed: readonly (keyof F & string)[] = [],
): Field<Values<F>> => ({
  read: (cursor) => {
    const row = table(cursor, Object.keys(fields));
    return (
      row &&
      (Object.fromEntries(
        Object.entries(fields).map(([key, field]) => {
          const inner = at(row, key);
          const value = field.read(inner);
          return [key, needed.includes(key) ? required(inner, value) : value];
        }),
      ) as Values<F>)
    );
  },
  schema: {
    type: 'object',
    properties: Object.fromEntries(Object.entries(fields).map(([key, { schema }]) => [key, schema])),
    ...(needed.length > 0 ? { required: needed } : {}),
    additionalProperties: false,
  },
});
