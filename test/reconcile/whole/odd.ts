/** Every value within a JSON document, each replaced by values that no program writes there: material for fuzz tests. */

/** Text, because JSON can say what no JavaScript literal survives: an infinity, and a key `__proto__`. */
const odd: readonly string[] = [
  'null',
  'true',
  '0',
  '-1',
  '0.5',
  '1e999',
  '9007199254740993',
  '8.64e15',
  '""',
  '"x"',
  '"../../etc/passwd"',
  '"/etc/passwd"',
  '"/opt/rcm-node/store/../../../etc"',
  '"\\u0000"',
  `"${'long'.repeat(2000)}"`,
  '{"$int":"7"}',
  '{"__proto__":{"kind":"text"}}',
  '{"constructor":null,"x":1}',
  '[]',
  '[null]',
  '{}',
];

export type Mutation = { readonly name: string; readonly text: string };

const hole = '"@hole@"';

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** The document with a hole at each place in it, one after the other; the place itself is the first. */
const holes = function* (value: unknown, path: string): Generator<readonly [string, unknown]> {
  yield [path, '@hole@'];
  if (!isObject(value)) return;
  for (const key of Object.keys(value))
    for (const [name, inner] of holes(value[key], `${path}.${key}`)) {
      const copy = Array.isArray(value) ? [...value] : { ...value };
      (copy as Record<string, unknown>)[key] = inner;
      yield [name, copy];
    }
};

/** The document with each key gone, and with each key of a record spelt otherwise. */
const keys = function* (value: unknown, path: string): Generator<readonly [string, unknown]> {
  if (!isObject(value)) return;
  for (const key of Object.keys(value)) {
    const rest = Object.fromEntries(Object.entries(value).filter(([one]) => one !== key));
    if (!Array.isArray(value)) {
      yield [`${path} without ${key}`, rest];
      for (const other of ['__proto__', 'constructor', '', '../x', '/etc/passwd'])
        yield [`${path} with ${key} called "${other}"`, { ...rest, [`@${other}`]: value[key] }];
    }
    for (const [name, inner] of keys(value[key], `${path}.${key}`)) {
      const copy = Array.isArray(value) ? [...value] : { ...value };
      (copy as Record<string, unknown>)[key] = inner;
      yield [name, copy];
    }
  }
};

export const mutationsOf = (text: string): readonly Mutation[] => {
  const document: unknown = JSON.parse(text);
  const values = [...holes(document, '')].flatMap(([path, holed]) =>
    odd.map((one) => ({
      name: `${path} = ${one.slice(0, 40)}`,
      text: JSON.stringify(holed).replace(hole, () => one),
    })),
  );
  const others = [...keys(document, '')].map(([name, changed]) => ({
    name,
    text: JSON.stringify(changed).replaceAll(/"@(__proto__|constructor||\.\.\/x|\/etc\/passwd)":/g, '"$1":'),
  }));
  return [...values, ...others];
};
