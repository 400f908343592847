/**
 * Walks through the text of a TOML file character by character and counts lines as BurntSushi/toml 1.6 does, the library
 * that CRI-O 1.36.3 reads its configuration with: a line break counts as soon as it is read.
 */

/** What cannot be read, with the message of that library. */
export class TomlError extends Error {
  override readonly name = 'TomlError';
}

/** `undefined` is the end of the file. */
export type Character = string | undefined;

/** Go's `%q` of one character, or of a text. */
export const quoted = (text: string): string =>
  JSON.stringify(text)
    .replaceAll('\u007f', '\\x7f')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');

const quotedCharacter = (one: string): string => {
  const inside = quoted(one).slice(1, -1);
  return `'${one === '"' ? '"' : one === "'" ? "\\'" : inside}'`;
};

/** The end of a file reads as a character of value 0 there. */
export const shown = (one: Character): string => (one === undefined ? "'\\x00'" : quotedCharacter(one));

const decode = (bytes: Buffer): { readonly text: string; readonly bad: number | undefined } => {
  const text = bytes.toString('utf8');
  const back = Buffer.from(text, 'utf8');
  if (back.equals(bytes)) return { text, bad: undefined };
  const at = bytes.findIndex((byte, index) => byte !== back[index]);
  return { text: bytes.subarray(0, at).toString('utf8'), bad: bytes[at] };
};

export class Cursor {
  readonly text: string;
  readonly #bad: number | undefined;
  #at = 0;
  line = 1;
  /** The key that is being read, for messages. */
  lastKey = '';

  constructor(bytes: Buffer) {
    const mark = bytes.subarray(0, 3);
    const skip = /^(fffe|feff)/.test(mark.toString('hex')) ? 2 : mark.toString('hex') === 'efbbbf' ? 3 : 0;
    const rest = bytes.subarray(skip);
    if (rest.subarray(0, 6).includes(0))
      this.fail('files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8');
    const { text, bad } = decode(rest);
    this.text = text;
    this.#bad = bad;
  }

  fail(message: string, line = this.line): never {
    const key = this.lastKey === '' ? '' : ` (last key ${quoted(this.lastKey)})`;
    throw new TomlError(`toml: line ${line}${key}: ${message}`);
  }

  /** At the end of the file, an error is one of the line before. */
  failHere(message: string): never {
    const late = this.peek() === undefined && this.text[this.#at - 1] === '\n';
    return this.fail(message, late ? this.line - 1 : this.line);
  }

  peek(): Character {
    const code = this.text.codePointAt(this.#at);
    if (code === undefined) {
      if (this.#bad !== undefined)
        this.fail(`invalid UTF-8 byte: 0x${this.#bad.toString(16).padStart(2, '0')}`);
      return undefined;
    }
    const one = String.fromCodePoint(code);
    const alone = one === '\r' && this.text[this.#at + 1] !== '\n';
    if (alone || (code <= 0x1f && !'\t\r\n'.includes(one)) || code === 0x7f)
      this.fail(`TOML files cannot contain control characters: '0x${code.toString(16).padStart(2, '0')}'`);
    return one;
  }

  next(): Character {
    const one = this.peek();
    if (one === '\n') this.line += 1;
    this.#at += one?.length ?? 0;
    return one;
  }

  /** Goes on if the text does so, and says whether it did. */
  accept(text: string): boolean {
    if (!this.text.startsWith(text, this.#at)) return false;
    for (const _ of text) this.next();
    return true;
  }

  /** What the expression, which is sticky, finds here; nothing is '' . */
  take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0] ?? '';
    for (const _ of found) this.next();
    return found;
  }

  rest(length: number): string {
    return this.text.slice(this.#at, this.#at + length);
  }

  skip(characters: string): void {
    for (let one = this.peek(); one !== undefined && characters.includes(one); one = this.peek()) this.next();
  }
}
