/** rcm-node.toml(5) and shims.d(5), out of the same tables and schemas as the documents and the JSON Schemas. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { paths } from '../../protocol/host-paths.ts';
import {
  argument,
  asSentence,
  display,
  type Page,
  paragraphs,
  prose,
  tagged,
  whereDocuments,
} from './mdoc.ts';
import type { Schema } from './output-schema.ts';
import { settingRows } from './settings-table.ts';
import { configSchema, shimSchema } from './toml-schemas.ts';

const root = join(import.meta.dirname, '../..');
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');

/** What stands under a heading of a document; '' is what stands before the first. */
const under = (path: string, heading: string): string => {
  const sections = textOf(path).split(/^#+ /m).slice(1);
  const found = sections.find((one) => heading === '' || one.startsWith(`${heading}\n`));
  if (found === undefined) throw new Error(`${path} has no heading "${heading}"`);
  return found.slice(found.indexOf('\n'));
};

/** Under their own headings, which a setting names. */
const sectionsOf = (path: string): readonly (readonly [string, ...string[]])[] =>
  [...textOf(path).matchAll(/^## (.+)$/gm)].map(
    ([, heading = '']) => [heading.toUpperCase(), ...paragraphs(under(path, heading))] as const,
  );

const propertiesOf = (schema: Schema | undefined): Readonly<Record<string, Schema>> =>
  (schema?.properties ?? {}) as Readonly<Record<string, Schema>>;

/** What a value may be, in words. */
const kindOf = ({ type, enum: values, minimum, maximum, items, anyOf }: Schema): string => {
  if (Array.isArray(values)) return values.join(', ');
  if (Array.isArray(anyOf)) return anyOf.map((one: Schema) => kindOf(one)).join(' or ');
  if (type === 'integer' && minimum !== undefined) return `integer from ${minimum} to ${maximum}`;
  if (type === 'boolean') return 'true or false';
  if (type === 'array') return `list of ${kindOf(items as Schema).replaceAll(' or ', 's or ')}s`;
  return type === 'object' ? 'table' : typeof type === 'string' ? type : 'value';
};

const settings = (): string => {
  const all = propertiesOf(configSchema());
  return tagged(
    settingRows.flatMap(({ table, isList, keys, defaults, meaning }) => {
      const inner = table === undefined ? all : propertiesOf((all[table]?.items as Schema) ?? all[table]);
      const shown = (key: string): string =>
        table === undefined ? key : isList ? `[[${table}]] ${key}` : `[${table}] ${key}`;
      if (keys.length === 0) return [[`Ic ${argument(`[[${table}]]`)}`, prose(asSentence(meaning))] as const];
      return keys.map((key, index) => {
        const usual = defaults === '' ? '' : ` Default: ${defaults}.`;
        const term = `Ic ${argument(shown(key))} Pq ${argument(kindOf(inner[key] ?? {}))}`;
        // Keys of one row share its text.
        const isLast = index === keys.length - 1;
        return [term, isLast ? prose(`${asSentence(meaning)}${usual}`) : ''] as const;
      });
    }),
  ).replace(/\n\n/g, '\n');
};

export const settingsPage = (): Page => ({
  name: 'rcm-node.toml',
  section: 5,
  about: 'settings and policy of a node of rcm-node',
  sections: [
    ['SYNOPSIS', `.Pa ${paths.settings}`],
    [
      'DESCRIPTION',
      ...paragraphs(under('docs/settings.md', '').replace(/`\/etc[^`]*`/, `\`${paths.settings}\``)),
    ],
    ['SETTINGS', settings()],
    ...sectionsOf('docs/settings.md'),
    ['SEE ALSO', '.Xr shims.d 5 ,\n.Xr rcm-node 8', whereDocuments],
  ],
});

/** They have no effect in a file. */
const forClusters = /^(nodeSelector|rolloutStrategy|runtimeClass\.(labels|overhead|scheduling))/;

/** `fetchStrategy.platforms[].location`, each with what the definition of Shims says of it. */
const fieldsOf = (schema: Schema, path: string): readonly (readonly [string, string])[] =>
  Object.entries(propertiesOf(schema)).flatMap(([key, one]) => {
    const name = path === '' ? key : `${path}.${key}`;
    if (forClusters.test(name)) return [];
    const { description } = one as { readonly description?: string };
    const row = [`Ic ${argument(name)} Pq ${argument(kindOf(one))}`, prose(description ?? '')] as const;
    return [row, ...fieldsOf(one, name), ...fieldsOf((one.items ?? {}) as Schema, `${name}[]`)];
  });

export const shimsPage = (): Page => ({
  name: 'shims.d',
  section: 5,
  about: 'handlers that a node serves without a cluster',
  sections: [
    ['SYNOPSIS', `.Pa ${paths.shims}/*.toml`],
    ['DESCRIPTION', ...paragraphs(under('docs/shim-reference.md', 'Local files'))],
    ['KEYS', 'All of these but name and fetchStrategy are optional.', tagged(fieldsOf(shimSchema(), ''))],
    ['EXAMPLES', display(textOf('bootstrap/samples/local-spin-v2.toml'))],
    ['SEE ALSO', '.Xr rcm-node.toml 5 ,\n.Xr rcm-node 8', whereDocuments],
  ],
});
