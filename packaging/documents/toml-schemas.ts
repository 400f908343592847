/**
 * The JSON Schemas of the two kinds of TOML files, for editors: config.toml out of the fields that the service reads, a file of
 * shims.d out of the definition of Shims, which has the same fields.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { defaultSettings, settingsFile } from '../../daemon/model/settings.ts';
import { fieldKeys } from '../../daemon/shims/fields.ts';
import { dialect, type Schema } from './output-schema.ts';
import { plainOf, settingRows } from './settings-table.ts';

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const propertiesOf = (schema: Schema | undefined): Readonly<Record<string, Schema>> =>
  (schema?.properties ?? {}) as Readonly<Record<string, Schema>>;

const changed = (schema: Schema, name: string, change: (property: Schema) => Schema): Schema => ({
  ...schema,
  properties: { ...propertiesOf(schema), [name]: change(propertiesOf(schema)[name] ?? {}) },
});

const defaultOf = (table: string | undefined, key: string): unknown => {
  const from = (table === undefined ? defaultSettings : defaultSettings[table as 'cluster']) as
    | Readonly<Record<string, unknown>>
    | undefined;
  return from?.[key];
};

/** With what docs/settings.md says of each. */
export const configSchema = (): Schema => {
  let schema: Schema = settingsFile.schema;
  for (const { table, isList, keys, meaning } of settingRows) {
    const says = { description: plainOf(meaning) };
    const described = (inner: Schema): Schema =>
      keys.reduce(
        (all, key) =>
          changed(all, key, (one) => {
            const usual = isList ? undefined : defaultOf(table, key);
            return { ...one, ...says, ...(usual === undefined ? {} : { default: usual }) };
          }),
        inner,
      );
    if (table === undefined) schema = described(schema);
    else
      schema = changed(schema, table, (one) => {
        if (keys.length === 0) return { ...one, ...says };
        return isList ? { ...one, items: described(one.items as Schema) } : described(one);
      });
  }
  return {
    $schema: dialect,
    $comment:
      'Written by packaging/documents/schemas.ts from daemon/model/settings.ts and docs/settings.md: change those, and run it again.',
    title: '/etc/rcm-node/config.toml',
    ...schema,
  };
};

/** Without what only an API server understands. What the service knows no other keys in is closed. */
const forFile = (schema: Schema, path: string): Schema => {
  const { properties, items, ...rest } = schema;
  const known = Object.entries(rest).filter(([key]) => !key.startsWith('x-kubernetes-') && key !== 'default');
  const isClosed = /^(fetchStrategy.*|runtimeClass|runtime)$/.test(path) && properties !== undefined;
  return {
    ...Object.fromEntries(known.map(([key, value]) => [key, isObject(value) ? forFile(value, '') : value])),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties as Readonly<Record<string, Schema>>).map(([key, one]) => [
              key,
              forFile(one, path === '' ? key : `${path}.${key}`),
            ]),
          ),
        }),
    ...(items === undefined ? {} : { items: forFile(items as Schema, path) }),
    ...(isClosed ? { additionalProperties: false } : {}),
  };
};

type Definition = {
  readonly spec: { readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[] };
};

const definition = join(import.meta.dirname, '../../bootstrap/crd/shims.yaml');

export const shimSchema = (): Schema => {
  const { spec } = parse(readFileSync(definition, 'utf8')) as Definition;
  const fields = propertiesOf(propertiesOf(spec.versions[0]?.schema.openAPIV3Schema).spec);
  const properties = Object.fromEntries(
    fieldKeys.map((key) => {
      const field = fields[key];
      if (field === undefined) throw new Error(`the definition of Shims has no "${key}"`);
      return [key, forFile(field, key)];
    }),
  );
  const option = { type: ['string', 'number', 'boolean', 'array'] };
  // A file needs no name for a RuntimeClass that nothing makes from it.
  const { required: _required, ...runtimeClass } = properties.runtimeClass ?? {};
  return {
    $schema: dialect,
    $comment:
      'Written by packaging/documents/schemas.ts from bootstrap/crd/shims.yaml: change that, and run it again.',
    title: 'A file of /etc/rcm-node/shims.d',
    type: 'object',
    required: ['name', 'fetchStrategy'],
    properties: {
      name: {
        type: 'string',
        description: 'The name of the shim: its binary is called containerd-shim-NAME.',
      },
      ...properties,
      runtimeClass,
      containerdRuntimeOptions: {
        ...properties.containerdRuntimeOptions,
        // The definition tells how a resource writes them, which has strings only.
        description:
          'The options table of the handler in the configuration of containerd, with values of TOML.',
        additionalProperties: option,
      },
    },
    additionalProperties: false,
  };
};
