/** The JSON Schema of what `--json` prints, out of docs/json.md. It allows fields and values that a later version adds. */
import { schema as version } from '../../cli/documents.ts';
import { documents, type Field, growing, tables } from './json-tables.ts';

export type Schema = Readonly<Record<string, unknown>>;

export const dialect = 'https://json-schema.org/draft/2020-12/schema';

/** A heading as a name in `$defs`. */
const nameOf = (heading: string): string => heading.replaceAll(' ', '');

const refTo = (heading: string): Schema => {
  if (!tables.has(heading)) throw new Error(`docs/json.md has no table "${heading}"`);
  return { $ref: `#/$defs/${nameOf(heading)}` };
};

const typeOf = (type: string, field: string): Schema => {
  if (type.endsWith(' or null')) return { anyOf: [typeOf(type.slice(0, -8), field), { type: 'null' }] };
  const list = /^(.+)\[\]$/.exec(type)?.[1];
  if (list !== undefined) return { type: 'array', items: typeOf(list, field) };
  const map = /^map of (.+)$/.exec(type)?.[1];
  if (map !== undefined) return { type: 'object', additionalProperties: typeOf(map, field) };
  if (type.startsWith('"')) {
    const known = [...type.matchAll(/"(\w+)"/g)].map(([, value]) => value);
    return growing.has(field) ? { type: 'string', examples: known } : { enum: known };
  }
  if (/^[A-Z]/.test(type)) return refTo(type);
  if (['string', 'number', 'boolean'].includes(type)) return { type };
  throw new Error(`docs/json.md: "${type}" is no type`);
};

const objectOf = (fields: readonly Field[]): Schema => ({
  type: 'object',
  required: fields.filter(({ isOptional }) => !isOptional).map(({ name }) => name),
  properties: Object.fromEntries(
    fields.map(({ name, type, meaning }) => [
      name,
      { ...typeOf(type, name), ...(meaning === '' ? {} : { description: meaning }) },
    ]),
  ),
});

/** Several documents have one command (`shim`), and an error may come from each. */
const byCommand = (): readonly Schema[] => {
  const commands = [...new Set(documents.flatMap((one) => one.commands))];
  return commands.map((command) => ({
    if: { properties: { command: { const: command } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: {
      anyOf: [
        'Error',
        ...documents.filter((one) => one.commands.includes(command)).map(({ table }) => table),
      ].map(refTo),
    },
  }));
};

export const outputSchema = (): Schema => {
  const commands = [...new Set(documents.flatMap((one) => one.commands))];
  const withFields = [...tables].filter(([, fields]) => fields.length > 0);
  return {
    $schema: dialect,
    $comment: 'Written by packaging/documents/schemas.ts from docs/json.md: change that, and run it again.',
    title: 'What rcm-node prints with --json',
    allOf: [
      refTo('Every document'),
      { properties: { schema: { const: version } } },
      ...byCommand(),
      {
        if: { not: { properties: { command: { enum: commands } } } },
        // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
        then: refTo('Error'),
      },
    ],
    $defs: Object.fromEntries(withFields.map(([heading, fields]) => [nameOf(heading), objectOf(fields)])),
  };
};
