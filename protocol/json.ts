/**
 * Reads JSON that another program wrote, field by field: a field of another type counts as absent and ends nothing. Only an
 * object of the API server without a name is an error.
 */
import type { Labels } from './shim-object.ts';
import { Failure } from './problem/problem.ts';

export type Fields = Readonly<Record<string, unknown>>;

const none: Fields = {};

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const fields = (value: unknown): Fields => (isFields(value) ? value : none);

/** Of what a program in Go prints: names of fields stand there where a tag is missing, so the case of letters does not count. */
export const member = (value: unknown, key: string): unknown =>
  Object.entries(fields(value)).find(([name]) => name.toLowerCase() === key)?.[1];

export const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Zero for what is no number. */
export const count = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : 0;

export const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export const texts = (value: unknown): readonly string[] =>
  items(value).filter((one) => typeof one === 'string');

/** Labels or annotations. */
export const labels = (value: unknown): Labels => {
  const given = fields(value);
  const odd = Object.values(given).some((one) => typeof one !== 'string');
  if (!odd) return given as Labels;
  return Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
};

/** Undefined for what is no JSON. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export type Identity = {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
};

/** Throws `bad-value` for an object without a name. */
export const identity = (metadata: Fields): Identity => {
  const name = text(metadata.name);
  if (name === undefined || name === '')
    throw new Failure({ code: 'bad-value', message: 'the API server gave an object without a name' });
  return { name, uid: text(metadata.uid) ?? '', resourceVersion: text(metadata.resourceVersion) ?? '' };
};
