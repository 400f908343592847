/**
 * Messages of protocol buffers (proto3) by a descriptor in code, as far as the CRI needs them: strings, integers, booleans,
 * enumerations, messages, lists of strings and of messages, maps from string to string. A field that the descriptor lacks is
 * skipped; bytes that do not fit it are an error, never half a message.
 * https://protobuf.dev/programming-guides/encoding/
 */
import { Failure } from '../../protocol/problem/problem.ts';
import {
  chunk,
  integer,
  type Kind,
  type Limits,
  type Reader,
  scalars,
  skip,
  small,
  varint,
  withLength,
} from './wire.ts';

export type Field = {
  readonly type: string;
  readonly id: number;
  readonly rule?: 'repeated';
  readonly keyType?: string;
};
export type Message = { readonly fields: Readonly<Record<string, Field>> };
export type Enum = { readonly values: Readonly<Record<string, number>> };
type Service = {
  readonly methods: Readonly<Record<string, { readonly requestType: string; readonly responseType: string }>>;
};
export type ProtoType = Message | Enum | Service;
/** By name; a service is in no package here: `loadService` names it. */
export type ProtoTypes = Readonly<Record<string, ProtoType>>;

/**
 * Messages, items of lists and entries of maps in one reply. An empty one has two bytes and takes hundreds in memory: a reply of 4 MB
 * took 600. The runtime of a node with thousands of Pods sends some ten thousand.
 */
export const mostParts = 200_000;
export class TooManyParts extends Error {
  override readonly name = 'TooManyParts';
}

const count = (limits: Limits): void => {
  limits.left -= 1;
  if (limits.left < 0) throw new TooManyParts(`the message has more than ${mostParts} parts`);
};

/** The shape of `Message`: every scalar and list is present, a missing message is null. */
type Decoded = Readonly<Record<string, unknown>>;

export type Method = {
  readonly path: string;
  readonly requestSerialize: (request: object) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => unknown;
  readonly responseSerialize: (reply: object) => Buffer;
  /** `keys`: of maps, only these are kept; the authors of Pods decide how many others there are. */
  readonly responseDeserialize: (bytes: Buffer, keys?: readonly string[]) => unknown;
};
export type ServiceMethods = Readonly<Record<string, Method>>;

/** `name`: the package and a service of `types`. */
export const loadService = (types: ProtoTypes, name: string): ServiceMethods => {
  const service = types[name.slice(name.lastIndexOf('.') + 1)];
  if (!service || !('methods' in service))
    throw new Failure({ code: 'internal', message: `the descriptor holds no service ${name}` });
  const methods = Object.entries(service.methods).map(([method, { requestType, responseType }]) => [
    method,
    {
      path: `/${name}/${method}`,
      requestSerialize: (request: object) => encode(types, requestType, request),
      requestDeserialize: (bytes: Buffer) => decode(types, requestType, bytes, { left: mostParts }),
      responseSerialize: (reply: object) => encode(types, responseType, reply),
      responseDeserialize: (bytes: Buffer, keys?: readonly string[]) =>
        decode(types, responseType, bytes, { left: mostParts, keys }),
    },
  ]);
  return Object.fromEntries(methods) as ServiceMethods;
};

const enumeration = ({ values }: Enum): Kind => {
  const names = new Map(Object.entries(values).map(([name, value]) => [value, name]));
  const named = (value: number): string | number => names.get(value) ?? value;
  return {
    ...integer(0, (value) => named(Number(BigInt.asIntN(32, value)))),
    absent: named(0),
    write: (value) => varint(BigInt((typeof value === 'string' ? values[value] : Number(value)) ?? 0)),
  };
};

const kindOf = (types: ProtoTypes, name: string): Kind => {
  const scalar = scalars[name];
  if (scalar) return scalar;
  const type = types[name];
  if (type && 'values' in type) return enumeration(type);
  return {
    wire: 2,
    absent: null,
    read: (reader) => decode(types, name, chunk(reader), reader.limits),
    write: (value) => withLength(encode(types, name, value as object)),
  };
};

const fieldsOf = (types: ProtoTypes, name: string): Message['fields'] => {
  const type = types[name];
  if (type && 'fields' in type) return type.fields;
  throw new Failure({ code: 'internal', message: `the descriptor holds no message ${name}` });
};

type Plan = ReadonlyMap<number, { readonly key: string; readonly kind: Kind; readonly field: Field }>;

/** Made once for each message of a descriptor: a list has thousands of the same. */
const plans = new WeakMap<Message['fields'], Plan>();

const planOf = (types: ProtoTypes, fields: Message['fields']): Plan => {
  const known = plans.get(fields);
  if (known) return known;
  const rows = Object.entries(fields).map(
    ([key, field]) => [field.id, { key, field, kind: kindOf(types, field.type) }] as const,
  );
  const plan = new Map(rows);
  plans.set(fields, plan);
  return plan;
};

/** Of a map, which is a list of such messages. */
const entry = { Entry: { fields: { key: { type: 'string', id: 1 }, value: { type: 'string', id: 2 } } } };

const decode = (types: ProtoTypes, name: string, bytes: Buffer, limits: Limits): Decoded => {
  const plan = planOf(types, fieldsOf(types, name));
  const single = new Map<string, unknown>();
  const lists = new Map<string, unknown[]>();
  const maps = new Map<string, Map<unknown, unknown>>();
  for (const { key, kind, field } of plan.values())
    if (field.keyType !== undefined) maps.set(key, new Map());
    else if (field.rule === 'repeated') lists.set(key, []);
    else single.set(key, kind.absent);
  const reader: Reader = { bytes, at: 0, limits };
  count(limits);
  while (reader.at < bytes.length) {
    const tag = small(reader);
    const wire = tag % 8;
    const known = plan.get(Math.floor(tag / 8));
    if (!known) {
      skip(reader, wire);
      continue;
    }
    const { key, kind } = known;
    const entries = maps.get(key);
    if (wire !== (entries ? 2 : kind.wire))
      throw new Error(`the field ${key} of ${name} has the wire type ${wire}`);
    if (entries) {
      // Those that are not kept take no memory, and are not counted.
      const { key: of, value } = decode(entry, 'Entry', chunk(reader), { left: 1 });
      if (limits.keys && !limits.keys.includes(String(of))) continue;
      count(limits);
      entries.set(of, value);
      continue;
    }
    const value = kind.read(reader);
    const list = lists.get(key);
    if (list && typeof value !== 'object') count(limits);
    if (list) list.push(value);
    else single.set(key, value);
  }
  // Defines each key, whatever its name: `__proto__` in a label is a label.
  return Object.fromEntries([
    ...single,
    ...lists,
    ...[...maps].map(([key, entries]) => [key, Object.fromEntries(entries)] as const),
  ]);
};

/** Writes what is present, also a zero: a runtime takes both forms for the same. */
const encode = (types: ProtoTypes, name: string, message: object): Buffer => {
  const values = new Map<string, unknown>(Object.entries(message));
  const parts: Buffer[] = [];
  for (const { key, kind, field } of planOf(types, fieldsOf(types, name)).values()) {
    const value = values.get(key);
    if (value === undefined || value === null) continue;
    const put = (wire: number, body: Buffer) => parts.push(varint(BigInt(field.id * 8 + wire)), body);
    if (field.keyType !== undefined)
      for (const [of, is] of Object.entries(value))
        put(2, withLength(encode(entry, 'Entry', { key: of, value: is })));
    else if (field.rule === 'repeated')
      for (const one of Array.isArray(value) ? value : []) put(kind.wire, kind.write(one));
    else put(kind.wire, kind.write(value));
  }
  return Buffer.concat(parts);
};
