/** `node packaging/documents/schemas.ts`: the JSON Schemas in docs/schema/, each out of what it describes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { outputSchema, type Schema } from './output-schema.ts';
import { configSchema, shimSchema } from './toml-schemas.ts';

export const folder = join(import.meta.dirname, '..', '..', 'docs', 'schema');

export const schemas: Readonly<Record<string, () => Schema>> = {
  'config.schema.json': configSchema,
  'output.schema.json': outputSchema,
  'shim.schema.json': shimSchema,
};

export const render = (schema: Schema): string => `${JSON.stringify(schema, null, 2)}\n`;

if (import.meta.main)
  for (const [file, schema] of Object.entries(schemas)) writeFileSync(join(folder, file), render(schema()));
