/** The tables of a TOML document while it is read: which may still be defined, and which key comes twice. */

/** A date or a time; nothing in CRI-O's configuration is one. */
export class Moment {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}
/** `[[name]]` tables; other lists are arrays. */
export class Tables {
  readonly list: Table[] = [];
}
export type Table = Map<string, Value>;
export type Value = string | bigint | number | boolean | Moment | Tables | Table | Value[];

/** A key as BurntSushi/toml prints it. */
export const keyText = (key: readonly string[]): string =>
  key.map((part) => (/^[A-Za-z0-9_-]+$/.test(part) ? part : `"${part.replaceAll('"', '\\"')}"`)).join('.');

export class Tree {
  readonly root: Table = new Map();
  /** The line on which the value of a key begins, by its whole name. */
  readonly lineOf = new Map<string, number>();
  /** Where an inline table stands; names in messages are whole. */
  readonly #prefix: readonly string[];
  readonly #fail: (message: string, context: string) => never;
  /** Made by a longer name only, so that they may still be defined. */
  readonly #implicit = new Set<string>();
  context: readonly string[] = [];

  constructor(prefix: readonly string[], fail: (message: string, context: string) => never) {
    this.#prefix = prefix;
    this.#fail = fail;
  }

  nameOf(key: readonly string[]): string {
    return keyText([...this.#prefix, ...key]);
  }

  /** Makes `key` the table that pairs go into; a table of the list of that name where it has one (`[[key]]`). */
  enter(key: readonly string[], array: boolean): void {
    const parents = key.slice(0, -1);
    const last = key.at(-1) ?? '';
    const inside = this.#tableAt(parents, true);
    this.context = parents;
    if (array) {
      const found = inside.get(last) ?? new Tables();
      if (!(found instanceof Tables))
        this.#fail(
          `Key '${this.nameOf(key)}' was already created and cannot be used as an array.`,
          this.nameOf(parents),
        );
      found.list.push(new Map());
      inside.set(last, found);
    } else this.set(last, new Map(), this.nameOf(parents));
    this.context = key;
  }

  /** For `a.b = 1`: the table `a`, which more pairs may go into. */
  enterImplicit(key: readonly string[]): void {
    this.#implicit.add(keyText(key));
    this.enter(key, false);
  }

  set(key: string, value: Value, shownContext?: string): void {
    const whole = [...this.context, key];
    const table = this.#tableAt(this.context, false);
    const name = keyText(whole);
    if (!table.has(key)) table.set(key, value);
    else if (!this.#implicit.delete(name))
      this.#fail(`Key '${this.nameOf(whole)}' has already been defined.`, shownContext ?? this.nameOf(whole));
  }

  #tableAt(key: readonly string[], make: boolean): Table {
    let table = this.root;
    for (const [index, part] of key.entries()) {
      const until = key.slice(0, index + 1);
      if (make && !table.has(part)) {
        this.#implicit.add(keyText(until));
        table.set(part, new Map());
      }
      const found = table.get(part);
      const inside = found instanceof Tables ? found.list.at(-1) : found;
      if (!(inside instanceof Map))
        return this.#fail(
          make
            ? `Key '${this.nameOf(until)}' was already created as a hash.`
            : `Key '${this.nameOf(until)}' has already been defined.`,
          this.nameOf(this.context),
        );
      table = inside;
    }
    return table;
  }
}
