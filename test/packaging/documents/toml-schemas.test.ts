/** What an editor says of a file by its JSON Schema, beside what the service says of it. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { exampleOf } from '../../../cli/shims/example.ts';
import { readTexts } from '../../../cli/shims/texts.ts';
import { parseSettings } from '../../../daemon/model/settings.ts';
import { parseShim } from '../../../daemon/shims/local-file.ts';
import { parseToml } from '../../../daemon/toml/toml.ts';
import { configSchema, shimSchema } from '../../../packaging/documents/toml-schemas.ts';
import { settingRows } from '../../../packaging/documents/settings-table.ts';
import type { Schema } from '../../../packaging/documents/output-schema.ts';
import { recover } from '../../../protocol/problem/problem.ts';
import { validate, withoutValidator } from '../../../testbed/json-schema.ts';

const root = join(import.meta.dirname, '../../..');
/** Integers beyond 2^53 lose their last digits, which no rule is about. */
const jsonOf = (text: string): unknown =>
  JSON.parse(
    JSON.stringify(parseToml(text, 'x.toml'), (_key, value) =>
      typeof value === 'bigint' ? Number(value) : value,
    ),
  );
const isTaken = (work: () => unknown): boolean =>
  recover(
    () => work() !== undefined,
    () => false,
  );
const settingsAreTaken = (text: string): boolean => isTaken(() => parseSettings(text, 'x.toml'));
const shimIsTaken = (text: string): boolean =>
  isTaken(() => parseShim(text, 'x.toml', { machine: 'amd64', allowUnpinned: true, allowedHosts: [] }));

type Properties = Readonly<Record<string, Schema>>;
const settings = configSchema().properties as Properties;
const inner = (name: string): Properties => (settings[name]?.properties ?? {}) as Properties;

t.test('docs/settings.md and docs/signatures.md have each setting, and its default', async (t) => {
  const flat = (name: string): readonly string[] => {
    const items = settings[name]?.items as Schema | undefined;
    const keys = Object.keys((settings[name]?.properties ?? items?.properties ?? {}) as Properties);
    return keys.length === 0 ? [name] : keys.map((key) => `${name}.${key}`);
  };
  const documented = settingRows.flatMap(({ table, keys }) =>
    keys.map((key) => (table === undefined ? key : `${table}.${key}`)),
  );
  t.same(documented.toSorted(), Object.keys(settings).flatMap(flat).toSorted());
  for (const { table, keys, defaults } of settingRows)
    for (const key of keys) {
      const value = (table === undefined ? settings[key] : inner(table)[key])?.default;
      const shown = defaults.replaceAll('`', '').replace(/^1 GiB$/, String(1024 ** 3));
      if (value !== undefined) t.equal(shown, Array.isArray(value) ? '[]' : String(value), key);
      else t.notMatch(shown, /^\d|^true$|^false$/, key);
    }
});

const values = [
  ...[
    '0',
    '1',
    '4',
    '5',
    '6',
    '40',
    '41',
    '60',
    '61',
    '600',
    '601',
    '1000',
    '1001',
    '3600',
    '3601',
    '86400',
    '86401',
  ],
  ...[
    '-1',
    '1.5',
    '604800',
    '604801',
    '1099511627776',
    '1099511627777',
    'true',
    '[]',
    '["spin"]',
    '["*"]',
    '["A b"]',
    '[1]',
  ],
  ...[
    '"x"',
    '"/x"',
    '"none"',
    '"kubelet"',
    '"info"',
    '"Info"',
    '"containerd.service"',
    '"https://a.example/"',
    '"ftp://a"',
    '{}',
  ],
  ...['{ more = 1 }', '{ prefix = "oci://", replace = "oci://a.example" }', '[{ prefix = "oci://" }]'],
  '[{ prefix = "https://", replace = "file:///srv" }]',
];

t.test(
  'config.toml is valid by its schema where the service takes it',
  { skip: withoutValidator },
  async (t) => {
    const texts = [
      '',
      'unknown = 1',
      ...Object.keys(settings).flatMap((key) => [
        ...values
          // Who signs is missing, which is not a matter of one field.
          .filter((value) => key !== 'signatures' || value !== '[{ prefix = "oci://" }]')
          .map((value) => `${key} = ${value}`),
        ...Object.keys(inner(key)).flatMap((name) => values.map((value) => `[${key}]\n${name} = ${value}`)),
      ]),
    ];
    const found = validate(configSchema(), texts.map(jsonOf));
    for (const [index, text] of texts.entries())
      t.equal(found[index]?.length === 0, settingsAreTaken(text), `${text} ${found[index]}`);
    const taken = texts.filter(settingsAreTaken).length;
    t.ok(taken > 150 && texts.length - taken > 500, `${taken} of ${texts.length} are taken`);
  },
);

t.test('what settings say of each other is for the service alone', { skip: withoutValidator }, async (t) => {
  const text = '[[signatures]]\nprefix = "https://a.example/"\nkey = "/k"\nunsigned = true';
  t.equal(settingsAreTaken(text), false);
  t.same(validate(configSchema(), [jsonOf(text)]), [[]], 'an editor shows no error, and rcm-node plan does');
});

t.test(
  'a file of shims.d that the service takes is valid by its schema',
  { skip: withoutValidator },
  async (t) => {
    const samples = Object.entries(readTexts(join(root, 'bootstrap/samples'))).map(([name, text]) =>
      exampleOf({ name, text }),
    );
    const cases = globSync('test/cases/*/**/etc/rcm-node/shims.d/*.toml', { cwd: root })
      .map((file) => readFileSync(join(root, file), 'utf8'))
      .filter(shimIsTaken);
    const all = [...samples, ...cases].map(jsonOf);
    t.ok(samples.length > 10 && cases.length > 10, `${samples.length} samples, ${cases.length} cases`);
    t.same(validate(shimSchema(), all).flat(), []);
  },
);

t.test(
  'both refuse a misspelt key, a wrong type and a missing field',
  { skip: withoutValidator },
  async (t) => {
    const good = 'name = "spin-v2"\n[fetchStrategy.anonHttp]\nlocation = "https://a.example/x"\n';
    const texts = [
      good.replace('name', 'nmae'),
      good.replace('"spin-v2"', '1'),
      good.replace('location', 'loaction'),
      good.replace('anonHttp', 'anonhttp'),
      good.replace('name = "spin-v2"', ''),
      'name = "x"',
      `${good}[runtime]\ntype = "wasm"`,
      `${good}[runtime]\ntyp = "oci"`,
      `${good}[runtimeClass]\nnamee = "x"`,
      `${good}[containerdRuntimeOptions]\nx = { y = 1 }`,
      `podAnnotations = "x"\n${good}`,
    ];
    for (const text of texts) t.equal(shimIsTaken(text), false, text);
    for (const [index, faults] of validate(shimSchema(), texts.map(jsonOf)).entries())
      t.not(faults.length, 0, texts[index] ?? '');
    t.equal(shimIsTaken(good), true);
    t.same(validate(shimSchema(), [jsonOf(good)]), [[]]);
  },
);
