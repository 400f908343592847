/** The documents of the project as tests read them: their texts, their blocks of code, and the files that there are. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
});

/** Every file of the project, from its root. */
export const files: readonly string[] = listed
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)));

export const documents: readonly string[] = files.filter(
  (path) => path.endsWith('.md') && !path.startsWith('test/fixtures/'),
);

/** CHANGELOG.md names what there was. */
export const present: readonly string[] = documents.filter((path) => path !== 'CHANGELOG.md');

export const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');

export type Block = {
  readonly at: string;
  readonly language: string;
  /** What stands behind the language: `root`, `exit=3`. */
  readonly marks: readonly string[];
  readonly body: string;
  /** The file that it is a copy of, by the comment before it. */
  readonly file?: string;
};

const fence =
  /(?:^<!-- file: (?<file>\S+) -->\n)?^```(?<language>\w*)(?<marks>[^\n]*)\n(?<body>[\s\S]*?)^```$/gm;

export const blocksOf = (path: string): readonly Block[] => {
  const text = textOf(path);
  return [...text.matchAll(fence)].map(({ index, groups = {} }) => ({
    at: `${path}:${text.slice(0, index).split('\n').length}`,
    language: groups.language ?? '',
    marks: (groups.marks ?? '').trim().split(' '),
    body: groups.body ?? '',
    ...(groups.file === undefined ? {} : { file: groups.file }),
  }));
};

/** A document without its blocks of code, in which `#` begins no heading and `]( ` no link. */
export const proseOf = (path: string): string => textOf(path).replace(fence, '');

/** What stands between backticks in a document's prose. */
export const inlineCodeOf = (path: string): readonly string[] =>
  [...proseOf(path).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);

/** The commands of a `console` block: after `$` or `#`, with the lines that continue them, without their comments. */
export const commandsOf = ({ body }: Block): readonly string[] =>
  body
    .replace(/\n {4}/g, ' ')
    .split('\n')
    .flatMap((line) => /^[$#] (.+)$/.exec(line)?.slice(1) ?? [])
    .map((line) => line.replace(/\s+#\s.*$/, ''));
