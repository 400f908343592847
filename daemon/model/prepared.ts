/** The list `prepare` of the settings: handlers that are put into the configuration before a shim asks for them. */
import {
  annotation,
  annotationSays,
  fileName,
  fileNameSays,
  isReserved,
  label,
  labelSays,
} from '../../protocol/names.ts';
import { isTable } from '../toml/compare.ts';
import { at, type Cursor, elements, fail, required, wrong } from '../toml/cursor.ts';
import { type Field, listField, oneOf, stringField, tableField } from '../toml/field.ts';
import { options } from '../toml/options.ts';
import type { Prepared, RuntimeKind } from './desired.ts';

/** The status on the Node has room for these, beside handlers that are served. */
export const mostPrepared = 64;

const handlerField = stringField(label, labelSays);
const annotations = listField(stringField(annotation, annotationSays));

const row = tableField(
  {
    handler: handlerField,
    runtime: tableField({
      type: oneOf(['shim', 'oci']),
      binary: stringField(fileName, fileNameSays),
    }),
    containerdRuntimeOptions: {
      read: (cursor: Cursor) => (cursor.value === undefined ? undefined : options(cursor)),
      schema: { type: 'object' },
    },
    podAnnotations: annotations,
    containerAnnotations: annotations,
  },
  ['handler'],
);

/** A name alone is a shim without options and annotations. */
const entry = (cursor: Cursor): Prepared => {
  const isName = typeof cursor.value === 'string';
  if (!isName && !isTable(cursor.value)) wrong(cursor, 'the name of a handler or a table');
  const given = isName ? undefined : required(cursor, row.read(cursor));
  const named = isName ? cursor : at(cursor, 'handler');
  const name = required(named, given?.handler ?? handlerField.read(named));
  if (isReserved(name)) fail(named, `the handler name "${name}" is reserved`);
  return {
    name,
    shim: name,
    runtime: kindOf(at(cursor, 'runtime'), given?.runtime),
    options: given?.containerdRuntimeOptions ?? {},
    podAnnotations: given?.podAnnotations ?? [],
    containerAnnotations: given?.containerAnnotations ?? [],
    where: { file: cursor.file },
  };
};

/** An OCI runtime may act by the name that it is called with, so that name is part of what is prepared. */
const kindOf = (
  cursor: Cursor,
  runtime: { readonly type: 'shim' | 'oci' | undefined; readonly binary: string | undefined } | undefined,
): RuntimeKind => {
  const type = runtime?.type ?? 'shim';
  if (type === 'oci') return { type, binary: required(at(cursor, 'binary'), runtime?.binary), libraries: [] };
  if (runtime?.binary !== undefined) fail(cursor, '"binary" goes with type = "oci" only');
  return { type };
};

export const prepareField: Field<readonly Prepared[]> = {
  read: (cursor) => {
    if (cursor.value === undefined) return undefined;
    const all = elements(cursor);
    if (all.length > mostPrepared) fail(cursor, `at most ${mostPrepared} handlers can be prepared`);
    const seen = new Set<string>();
    return all.map((one) => {
      const read = entry(one);
      if (seen.has(read.name)) fail(one, `the handler "${read.name}" is prepared twice`);
      seen.add(read.name);
      return read;
    });
  },
  schema: {
    type: 'array',
    maxItems: mostPrepared,
    items: { anyOf: [handlerField.schema, row.schema] },
  },
};
