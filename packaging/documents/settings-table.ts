/** The tables of docs/settings.md and docs/signatures.md as data: what they say of each setting goes into the JSON Schema and the man page. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type SettingRow = {
  /** `cluster`, `mirrors`; absent at the top of the file. */
  readonly table?: string;
  /** It may be there several times. */
  readonly isList: boolean;
  /** Empty: the table as a whole, which another document explains. */
  readonly keys: readonly string[];
  /** In Markdown, as the document has them. */
  readonly defaults: string;
  readonly meaning: string;
};

const textOf = (name: string): string => readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8');

const keysIn = (names: string): readonly string[] =>
  [...names.matchAll(/`(\w+)`/g)].flatMap(([, key]) => key ?? []);

const cell = '((?:`[^`|]+`(?:, | )?)+)';

/** The keys of `[[signatures]]` have a document of their own, whose first table they are. */
const signatureRows = (): readonly SettingRow[] => {
  const [, table = ''] = textOf('signatures.md').split('| key | meaning |\n', 2);
  const [rows = ''] = table.split('\n\n', 1);
  return [...rows.matchAll(new RegExp(`^\\| ${cell}\\| (.*?) \\|$`, 'gm'))].map(
    ([, names = '', meaning = '']) => ({
      table: 'signatures',
      isList: true,
      keys: keysIn(names),
      defaults: '',
      meaning,
    }),
  );
};

export const settingRows: readonly SettingRow[] = [
  ...textOf('settings.md').matchAll(new RegExp(`^\\| ${cell}\\|([^|]*)\\| (.*?) \\|$`, 'gm')),
].flatMap(([, names = '', defaults = '', meaning = '']): readonly SettingRow[] => {
  const [, open, table] = /^`(\[+)(\w+)\]/.exec(names) ?? [];
  const row = { isList: open === '[[', keys: keysIn(names), defaults: defaults.trim(), meaning };
  if (table === undefined) return [row];
  return [{ ...row, table }, ...(table === 'signatures' ? signatureRows() : [])];
});

/** Markdown without its marks: a link is its text. */
export const plainOf = (markdown: string): string =>
  markdown
    .replace(/\[([^\]]+)\]\([^)]*\)/g, '$1')
    .replaceAll('**', '')
    .replaceAll('`', '')
    .replace(/\\([|<*])/g, '$1');
