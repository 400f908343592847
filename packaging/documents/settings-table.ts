/** The table of docs/settings.md as data: what it says of each setting goes into the JSON Schema and the man page. */
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

const text = readFileSync(join(import.meta.dirname, '../../docs/settings.md'), 'utf8');

export const settingRows: readonly SettingRow[] = [
  ...text.matchAll(/^\| ((?:`[^`|]+`(?:, | )?)+)\|([^|]*)\| (.*?) \|$/gm),
].map(([, names = '', defaults = '', meaning = '']) => {
  const [, open, table] = /^`(\[+)(\w+)\]/.exec(names) ?? [];
  return {
    ...(table === undefined ? {} : { table }),
    isList: open === '[[',
    keys: [...names.matchAll(/`(\w+)`/g)].flatMap(([, key]) => key ?? []),
    defaults: defaults.trim(),
    meaning,
  };
});

/** Markdown without its marks: a link is its text. */
export const plainOf = (markdown: string): string =>
  markdown
    .replace(/\[([^\]]+)\]\([^)]*\)/g, '$1')
    .replaceAll('**', '')
    .replaceAll('`', '')
    .replace(/\\([|<*])/g, '$1');
