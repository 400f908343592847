/**
 * A sample as a local file: the same fields as TOML, with the comments that a person needs to complete it. Comments on what
 * is not below `spec` or `name` are for clusters, and stay behind.
 */
import { isMap, isScalar, isSeq, type Pair, parseDocument, type YAMLMap } from 'yaml';
import type { Sample } from './catalogue.ts';

/** What a TOML reader takes for a text, too, and JSON for a number or a boolean. */
const written = (value: unknown): string => {
  if (isSeq(value)) return `[${value.items.map(written).join(', ')}]`;
  if (!isScalar(value)) throw new Error('a list of tables in a list has no form here');
  return JSON.stringify(value.value);
};

const key = (name: string): string => (/^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name));

/** A field that is left out in YAML is left out in TOML. */
const comments = (...texts: readonly (string | null | undefined)[]): readonly string[] =>
  texts.flatMap((text) =>
    text
      ? text.split('\n').map((line) => `#${line.replace(/^ (sha256): (.*)$/, ' $1 = "$2"')}`.trimEnd())
      : [],
  );

const commentBefore = (node: unknown): string | undefined =>
  (node as { commentBefore?: string | null } | null)?.commentBefore ?? undefined;

const line = ({ key: name, value }: Pair): readonly string[] => {
  const behind = isScalar(value) && value.comment ? ` #${value.comment}` : '';
  return [
    ...comments(commentBefore(name), commentBefore(value)),
    `${key(String(name))} = ${written(value)}${behind}`,
  ];
};

const isTables = (value: unknown): boolean => isSeq(value) && value.items.some(isMap);

/** Plain fields come first: below the heading of a table they would be that table's. */
const fields = (map: YAMLMap, path: readonly string[]): readonly string[] => [
  ...map.items.filter(({ value }) => !isMap(value) && !isTables(value)).flatMap(line),
  ...comments(map.comment),
  ...map.items.flatMap(({ key: name, value }) => {
    const inner = [...path, key(String(name))];
    const above = comments(commentBefore(name), commentBefore(value));
    if (isSeq(value) && isTables(value))
      return value.items.flatMap((item, index) => {
        if (!isMap(item)) throw new Error(`${inner.join('.')} has tables and others`);
        const before = comments(commentBefore(item));
        return [
          '',
          ...(index === 0 ? above : []),
          ...before,
          `[[${inner.join('.')}]]`,
          ...fields(item, inner),
        ];
      });
    if (!isMap(value)) return [];
    const isHeaded = value.items.some((pair) => !isMap(pair.value) && !isTables(pair.value));
    return [...(isHeaded ? ['', ...above, `[${inner.join('.')}]`] : above), ...fields(value, inner)];
  }),
];

export const exampleOf = ({ name, text }: Pick<Sample, 'name' | 'text'>): string => {
  const document = parseDocument(text);
  const { contents } = document;
  const named = document.getIn(['metadata', 'name'], true);
  const spec = document.get('spec');
  if (!isMap(contents) || !isScalar(named) || !isMap(spec)) throw new Error(`shim-${name}.yaml is no Shim`);
  return [
    `# rcm-node shim example ${name} > /etc/rcm-node/shims.d/${name}.toml`,
    ...comments(document.commentBefore, commentBefore(contents.items[0]?.key)),
    '',
    `name = ${written(named)}${named.comment ? ` #${named.comment}` : ''}`,
    ...comments(commentBefore(spec)),
    ...fields(spec, []),
    '',
  ].join('\n');
};
