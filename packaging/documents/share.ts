/**
 * `node packaging/documents/share.ts [FOLDER]`: man pages, completions and JSON Schemas as packages put them below /usr/share; without a
 * folder into dist/share. The date in them is SOURCE_DATE_EPOCH, or that of the last commit.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { shells } from '../../cli/completion/shells.ts';
import { commandPage } from './man-commands.ts';
import { settingsPage, shimsPage } from './man-files.ts';
import { mdoc } from './mdoc.ts';
import { render, schemas } from './schemas.ts';

const root = join(import.meta.dirname, '..', '..');

const day = (): Date => {
  const given =
    process.env.SOURCE_DATE_EPOCH ??
    execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' });
  return new Date(Number(given) * 1000);
};

/** By their paths below /usr/share. */
export const sharedFiles = (date: Date): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(
    [commandPage(), settingsPage(), shimsPage()].map((page) => [
      `man/man${page.section}/${page.name}.${page.section}`,
      mdoc(page, date),
    ]),
  ),
  'bash-completion/completions/rcm-node': shells.bash(),
  'zsh/vendor-completions/_rcm-node': shells.zsh(),
  'fish/vendor_completions.d/rcm-node.fish': shells.fish(),
  ...Object.fromEntries(
    Object.entries(schemas).map(([file, schema]) => [`rcm-node/schema/${file}`, render(schema())]),
  ),
});

/** Man pages compressed, as packages have them: https://www.debian.org/doc/debian-policy/ch-docs.html#manual-pages. */
export const writtenFiles = (date: Date): Readonly<Record<string, Buffer>> =>
  Object.fromEntries(
    Object.entries(sharedFiles(date)).map(([path, text]) =>
      path.startsWith('man/') ? [`${path}.gz`, gzipSync(text, { level: 9 })] : [path, Buffer.from(text)],
    ),
  );

export const writeShared = (folder: string, date: Date): void => {
  for (const [path, bytes] of Object.entries(writtenFiles(date))) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
};

if (import.meta.main) writeShared(process.argv[2] ?? join(root, 'dist', 'share'), day());
