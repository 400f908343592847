/**
 * Puts one file's tables over a configuration, as BurntSushi/toml fills Go's structs: keys in any case, unknown ones
 * silently dropped, a handler's table replaced as a whole.
 */
import { quoted, TomlError } from './cursor.ts';
import { type Config, emptyHandler, type Handler } from './model.ts';
import { handlerKeys, type Key, type Kind, sections, type Setting } from './schema.ts';
import { parseToml } from './toml.ts';
import { keyText, Moment, type Table, Tables, type Value } from './tree.ts';

const typeOf = (value: Value): string => {
  if (typeof value === 'string') return 'string';
  if (typeof value === 'bigint') return 'int64';
  if (typeof value === 'number') return 'float64';
  if (typeof value === 'boolean') return 'bool';
  if (value instanceof Moment) return 'time.Time';
  if (value instanceof Tables) return '[]map[string]any';
  return Array.isArray(value) ? '[]any' : 'map[string]any';
};

class Decoder {
  readonly #lineOf: ReadonlyMap<string, number>;
  constructor(lineOf: ReadonlyMap<string, number>) {
    this.#lineOf = lineOf;
  }

  #fail(key: readonly string[], message: string): never {
    const name = keyText(key);
    const line = this.#lineOf.get(name);
    throw new TomlError(
      `toml: ${line === undefined ? '' : `line ${line} `}(last key ${quoted(name)}): ${message}`,
    );
  }

  #typed<Answer>(key: readonly string[], found: Answer | undefined, value: Value, wanted: string): Answer {
    return (
      found ??
      this.#fail(
        key,
        `incompatible types: TOML value has type ${typeOf(value)}; destination has type ${wanted}`,
      )
    );
  }

  #string(key: readonly string[], value: Value): string {
    return this.#typed(key, typeof value === 'string' ? value : undefined, value, 'string');
  }

  setting(key: readonly string[], kind: Kind, value: Value): Setting | undefined {
    switch (kind) {
      case 'string':
        return this.#string(key, value);
      case 'bool':
        return this.#typed(key, typeof value === 'boolean' ? value : undefined, value, 'boolean');
      case 'int':
        return this.#typed(key, typeof value === 'bigint' ? value : undefined, value, 'integer');
      case 'duration':
        if (typeof value === 'string') return value;
        return `${this.#typed(key, typeof value === 'bigint' ? value : undefined, value, 'integer')}ns`;
      case 'list': {
        const items = value instanceof Tables ? value.list : Array.isArray(value) ? value : undefined;
        return this.#typed(key, items, value, 'slice').map((item) => this.#string(key, item));
      }
      case 'map':
        // What is no table is dropped without a message.
        return value instanceof Map
          ? Object.fromEntries([...value].map(([name, one]) => [name, this.#string([...key, name], one)]))
          : undefined;
      case 'handlers':
      case 'any':
        return undefined;
      default:
        return kind satisfies never;
    }
  }

  struct(key: readonly string[], value: Value, type: string): Table {
    if (value instanceof Map) return value;
    return this.#fail(key, `type mismatch for ${type}: expected table but found ${typeOf(value)}`);
  }
}

/** An exact name wins over one that differs in case. */
const known = (keys: readonly Key[], name: string): Key | undefined =>
  keys.find((key) => key.name === name) ?? keys.find((key) => key.name.toLowerCase() === name.toLowerCase());

const handlerOf = (decoder: Decoder, key: readonly string[], value: Value): Handler => {
  const handler = emptyHandler();
  for (const [name, one] of decoder.struct(key, value, 'config.RuntimeHandler')) {
    const found = known(handlerKeys, name);
    const set = found && decoder.setting([...key, name], found.kind, one);
    if (found !== undefined && set !== undefined) handler[found.name] = set;
  }
  return handler;
};

const putSection = (decoder: Decoder, key: readonly string[], table: Table, name: string, config: Config) => {
  const keys = sections.get(name) ?? [];
  for (const [own, value] of table) {
    const path = [...key, own];
    const found = known(keys, own);
    if (found?.kind === 'handlers') {
      // A list of tables, or anything else that is no table, is dropped without a message.
      if (value instanceof Map)
        for (const [handler, one] of value)
          config.handlers.set(handler, handlerOf(decoder, [...path, handler], one));
    } else if (found !== undefined) {
      const set = decoder.setting(path, found.kind, value);
      if (set !== undefined) config.settings.get(name)?.set(found.name, set);
    } else if (name === 'crio') {
      const section = [...sections.keys()].find((one) => one === own.toLowerCase() && one !== 'crio');
      if (section !== undefined)
        putSection(decoder, path, decoder.struct(path, value, 'struct'), section, config);
    }
  }
};

/** Throws TomlError. */
export const decodeInto = (config: Config, bytes: Buffer): void => {
  const { table, lineOf } = parseToml(bytes);
  const decoder = new Decoder(lineOf);
  for (const [name, value] of table)
    if (name.toLowerCase() === 'crio')
      putSection(decoder, [name], decoder.struct([name], value, 'struct'), 'crio', config);
};
