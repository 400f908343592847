/**
 * TOML as CRI-O 1.36.3 understands it (BurntSushi/toml 1.6, TOML 1.1): what is a document, and which line and which
 * words an error has. Held to the record (test/fixtures/crio/); rarer errors follow that library's source.
 */
import { type Character, Cursor, quoted, shown } from './cursor.ts';
import { Moment, type Table, Tree, type Value } from './tree.ts';

export type Document = { readonly table: Table; readonly lineOf: ReadonlyMap<string, number> };

const bare = /[A-Za-z0-9_-]*/y;
const number =
  /[+-]?(?:inf|nan|0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*(?:\.[0-9_]+)?(?:[eE][+-]?[0-9_]+)?)/y;
const moment =
  /\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d)?)?|\d\d:\d\d(?::\d\d(?:\.\d+)?)?/y;
const word = /\p{L}*/uy;
const escapes: ReadonlyMap<Character, string> = new Map([
  ...Object.entries({ b: '\b', t: '\t', n: '\n', f: '\f', r: '\r', e: '\u001b', '"': '"', '\\': '\\' }),
]);
const hexadecimal: ReadonlyMap<Character, readonly [digits: number, word: string]> = new Map([
  ['x', [2, 'two']],
  ['u', [4, 'four']],
  ['U', [8, 'eight']],
]);

class Parser {
  readonly #at: Cursor;
  #tree: Tree;
  #keyLine = 1;

  constructor(bytes: Buffer) {
    this.#at = new Cursor(bytes);
    this.#tree = this.#newTree([]);
  }

  #newTree(prefix: readonly string[]): Tree {
    return new Tree(prefix, (message, context) => {
      this.#at.lastKey = context;
      return this.#at.fail(message, this.#keyLine);
    });
  }

  document(): Document {
    const at = this.#at;
    for (;;) {
      at.lastKey = this.#tree.nameOf(this.#tree.context);
      at.skip(' \t\r\n');
      const one = at.peek();
      if (one === undefined) return { table: this.#tree.root, lineOf: this.#tree.lineOf };
      if (one === '#') this.#comment();
      else {
        if (one === '[') this.#header();
        else this.#pair();
        this.#endOfLine();
      }
    }
  }

  #comment(): void {
    for (let one = this.#at.peek(); one !== undefined && one !== '\n'; one = this.#at.peek()) this.#at.next();
  }

  #endOfLine(): void {
    const at = this.#at;
    at.lastKey = this.#tree.nameOf(this.#tree.context);
    at.skip(' \t\r');
    if (at.peek() === '#') this.#comment();
    const one = at.next();
    if (one !== undefined && one !== '\n')
      at.fail(
        `expected a top-level item to end with a newline, comment, or EOF, but got ${shown(one)} instead`,
      );
  }

  #header(): void {
    const at = this.#at;
    at.next();
    const array = at.accept('[');
    const line = at.line;
    const key: string[] = [];
    for (;;) {
      at.skip(' \t');
      const one = at.peek();
      if (one === ']' || one === undefined)
        at.failHere('unexpected end of table name (table names cannot be empty)');
      if (one === '.') at.fail('unexpected table separator (table names cannot be empty)');
      key.push(this.#name(one));
      at.skip(' \t');
      const end = at.next();
      if (end === ']') break;
      if (end !== '.') at.fail(`expected '.' or ']' to end table name, but got ${shown(end)} instead`);
    }
    const end = array ? at.next() : ']';
    if (end !== ']') at.fail(`expected end of table array name delimiter ']', but got ${shown(end)} instead`);
    this.#keyLine = line;
    this.#tree.enter(key, array);
    this.#tree.lineOf.set(this.#tree.nameOf(key), line);
  }

  #name(one: Character): string {
    if (one !== '"' && one !== "'") return this.#at.take(bare);
    this.#at.next();
    return this.#text(one, one === '"');
  }

  /** `key = value`, in the table that is the context. */
  #pair(): void {
    const at = this.#at;
    const tree = this.#tree;
    const outer = tree.context;
    const first = at.peek();
    if (first === '=' || first === undefined) at.failHere("unexpected '=': key name appears blank");
    if (first === '.') at.fail("unexpected '.': keys cannot start with a '.'");
    this.#keyLine = at.line;
    const key: string[] = [];
    for (;;) {
      at.skip(' \t');
      key.push(this.#name(at.peek()));
      at.skip(' \t');
      const end = at.next();
      if (end === '=') break;
      if (end !== '.')
        at.fail(`expected '.' or '=', but got ${shown(end)} instead`, end === '\n' ? at.line - 1 : at.line);
    }
    for (const part of key.slice(0, -1)) tree.enterImplicit([...tree.context, part]);
    const last = key.at(-1) ?? '';
    const name = tree.nameOf([...tree.context, last]);
    at.lastKey = name;
    at.skip(' \t');
    const line = at.line;
    tree.set(last, this.#value([...tree.context, last]));
    tree.lineOf.set(name, line);
    tree.context = outer;
  }

  #value(key: readonly string[]): Value {
    const at = this.#at;
    at.skip(' \t');
    const one = at.peek();
    if (one === '[') return this.#array(key);
    if (one === '{') return this.#inline(key);
    for (const quote of ['"""', "'''"]) if (at.accept(quote)) return this.#text(quote, quote[0] === '"');
    if (one === '"' || one === "'") return this.#name(one);
    const time = at.take(moment);
    if (time !== '') return new Moment(time);
    const digits = at.take(number).replaceAll('_', '');
    if (digits !== '') return this.#number(digits);
    const letters = at.take(word);
    if (letters === 'true' || letters === 'false') return letters === 'true';
    if (letters !== '') at.fail(`expected value but found ${quoted(letters)} instead`);
    if (one === undefined) at.failHere('unexpected EOF; expected value');
    if (one === '.') at.fail("floats must start with a digit, not '.'");
    return at.fail(`expected value but found ${shown(one)} instead`);
  }

  #number(digits: string): Value {
    if (/^[+-]?0[0-9]/.test(digits))
      this.#at.fail(`Invalid integer ${quoted(digits)}: cannot have leading zeroes`);
    if (/^0[xob]/.test(digits)) return BigInt(digits);
    if (/^[+-]?\d+$/.test(digits)) return BigInt(digits.replace('+', ''));
    return Number(digits.replace('inf', 'Infinity').replace('nan', 'NaN'));
  }

  /** What stands between the brackets, one after the other; a comma after the last is allowed. */
  #listed(close: string, element: () => void, complaint: string): void {
    const at = this.#at;
    at.next();
    for (let wanted = true; ; ) {
      at.skip(' \t\r\n');
      const one = at.peek();
      if (one === '#') this.#comment();
      else if (at.accept(close)) return;
      else if (wanted) {
        if (one === ',') at.fail('unexpected comma');
        element();
        wanted = false;
      } else if (at.accept(',')) wanted = true;
      else at.failHere(complaint.replace('%s', one === undefined ? 'end of file' : `'${one}'`));
    }
  }

  #array(key: readonly string[]): Value {
    const list: Value[] = [];
    const complaint = "expected a comma (',') or array terminator (']'), but got %s";
    this.#listed(']', () => list.push(this.#value(key)), complaint);
    return list;
  }

  #inline(key: readonly string[]): Value {
    const outer = this.#tree;
    const inner = this.#newTree(key);
    this.#tree = inner;
    const complaint = "expected a comma or an inline table terminator '}', but got %s instead";
    this.#listed('}', () => this.#pair(), complaint);
    this.#tree = outer;
    for (const [name, line] of inner.lineOf) outer.lineOf.set(name, line);
    return inner.root;
  }

  /** What follows an opening quote, up to the closing one. */
  #text(quote: string, escaped: boolean): string {
    const at = this.#at;
    const long = quote.length === 3;
    let text = '';
    if (long) at.accept('\r\n') || at.accept('\n');
    while (!at.accept(quote)) {
      const one = at.next();
      if (one === undefined) at.failHere(`unexpected EOF; expected '${quote}'`);
      if (one === '\n' && !long) at.fail('strings cannot contain newlines', at.line - 1);
      text += one === '\\' && escaped ? this.#escape(long) : one;
    }
    // Up to two quotes may stand before the closing three.
    while (long && at.peek() === quote[0]) text += at.next();
    return text;
  }

  #escape(long: boolean): string {
    const at = this.#at;
    if (long && /^[ \t]*\r?\n/.test(at.rest(64))) {
      at.skip(' \t\r\n');
      return '';
    }
    const one = at.next();
    const plain = escapes.get(one);
    if (plain !== undefined) return plain;
    const [digits, said] = hexadecimal.get(one) ?? at.fail(`invalid escape in string '\\${one ?? ''}'`);
    const found = at.take(new RegExp(`[0-9a-fA-F]{${digits}}`, 'y'));
    if (found === '') at.fail(`expected ${said} hexadecimal digits after '\\${one}'`);
    return String.fromCodePoint(Number.parseInt(found, 16));
  }
}

/** Throws TomlError. */
export const parseToml = (bytes: Buffer): Document => new Parser(bytes).document();
