/** Text as mdoc(7): what Markdown of this project holds, in lines that mandoc takes without a remark. */

/** A word or a line that holds no macros: a backslash, a leading dot and a dash stay what they are. */
export const literal = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replace(/^(?=[.'])/, '\\&');

/** An argument of a macro is one word, and is never read as a macro itself. */
export const argument = (text: string): string => {
  const safe = literal(text).replaceAll('"', '\\(dq');
  return /[\s,;:()[\]?!|]/.test(safe) || safe === '' ? `"${safe}"` : safe.replace(/^(?=[A-Z][a-z]$)/, '\\&');
};

/** Of a link its text, and the document that it leads to. What it leads to in the same document is a section of the page, by the same name. */
const linked = (markdown: string): string =>
  markdown
    .replace(/\[([^\]]+)\]\(([^):#]+\.md)(#[^)]*)?\)/g, '$1 (`docs/$2`)')
    .replace(/\[([^\]]+)\]\([^)]*\)/g, '$1');

const inline = (markdown: string): string =>
  linked(markdown)
    .split(/(`[^`]+`|\*\*[^*]+\*\*)/)
    .map((part) => {
      if (part.startsWith('`')) return `\\fB${literal(part.slice(1, -1))}\\fP`;
      if (part.startsWith('**')) return `\\fI${escaped(part.slice(2, -2))}\\fP`;
      return escaped(part);
    })
    .join('');

const escaped = (text: string): string =>
  text
    .replace(/\\([|<*])/g, '$1')
    .replaceAll('\\', '\\e')
    .replaceAll('…', '...');

const width = 76;

/** Each sentence begins a line, and no line is longer than mandoc likes. */
export const prose = (markdown: string): string =>
  inline(markdown.replace(/\s+/g, ' ').trim())
    .split(/(?<=[a-z0-9)"P][.?!][)"]?) (?=\S)/)
    .flatMap((sentence) => {
      const lines: string[] = [];
      for (const word of sentence.split(' ')) {
        const last = lines.at(-1);
        if (last !== undefined && last.length + 1 + word.length <= width)
          lines[lines.length - 1] = `${last} ${word}`;
        else lines.push(word);
      }
      return lines;
    })
    .map((line) => line.replace(/^(?=[.'])/, '\\&'))
    .join('\n');

export const asSentence = (text: string): string => {
  // The first letter may be in a link.
  const whole = text.replace(/^\[?[a-z]/, (start) => start.toUpperCase());
  return /[.?!]$/.test(whole) ? whole : `${whole}.`;
};

const bullets = (list: string): string => {
  const items = list.split(/^- /m).slice(1);
  return ['.Bl -bullet', ...items.flatMap((item) => ['.It', prose(item)]), '.El'].join('\n');
};

/** As it is; spaces before a comment would lead out of a terminal. */
export const display = (text: string): string =>
  ['.Bd -literal', ...text.trimEnd().split('\n').map(literal), '.Ed'].join('\n');

/** Paragraphs, lists and blocks of Markdown, without headings and tables. A block has no empty lines. */
export const paragraphs = (markdown: string): readonly string[] =>
  markdown
    .trim()
    .split(/\n{2,}/)
    .filter((part) => !/^(#|\||<!--)/.test(part))
    .map((part) => {
      if (part.startsWith('```'))
        return display(part.replace(/^```.*\n|\n?```$/g, '').replace(/ +#/g, '  #'));
      return part.startsWith('- ') ? bullets(part) : prose(part);
    });

/** Rows of a term and its text, which may hold macros of its own. */
export const tagged = (rows: readonly (readonly [term: string, text: string])[]): string =>
  ['.Bl -tag -width Ds', ...rows.flatMap(([term, text]) => [`.It ${term}`, text]), '.El'].join('\n');

/** Packages put them there; they are in no archive. */
export const whereDocuments = prose('A document `docs/NAME.md` is in `/usr/share/doc/rcm-node/`.');

export type Page = {
  readonly name: string;
  readonly section: 5 | 8;
  readonly about: string;
  readonly sections: readonly (readonly [heading: string, ...parts: readonly string[]])[];
};

/** `day`: of the release, in UTC, so that the same sources give the same bytes. */
export const mdoc = ({ name, section, about, sections }: Page, day: Date): string => {
  const month = day.toLocaleDateString('en', { month: 'long', timeZone: 'UTC' });
  return [
    `.Dd ${month} ${day.getUTCDate()}, ${day.getUTCFullYear()}`,
    `.Dt ${name.toUpperCase()} ${section}`,
    '.Os',
    '.Sh NAME',
    `.Nm ${name}`,
    `.Nd ${escaped(about)}`,
    ...sections.flatMap(([heading, ...parts]) => [
      `.Sh ${heading}`,
      ...parts.flatMap((part, index) => (index === 0 || /^\.(Bl|Bd|Ss)/.test(part) ? [part] : ['.Pp', part])),
    ]),
    '',
  ].join('\n');
};
