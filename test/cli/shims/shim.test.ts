/** The catalogue in the program: every sample as TOML means what the YAML does, and a node reads it as a local file. */
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { catalogueOf } from '../../../cli/shims/catalogue.ts';
import { exampleOf } from '../../../cli/shims/example.ts';
import { shim } from '../../../cli/shims/shim.ts';
import { readTexts, texts } from '../../../cli/shims/texts.ts';
import type { Policy } from '../../../daemon/shims/location.ts';
import { parseShim } from '../../../daemon/shims/local-file.ts';
import { parseShimResource } from '../../../daemon/shims/resource.ts';
import { parseToml } from '../../../daemon/toml/toml.ts';

const samples = catalogueOf(texts());
const of = (name: string) => {
  const sample = samples.find((one) => one.name === name);
  if (sample === undefined) throw new Error(`no sample ${name}`);
  return sample;
};

t.test('the catalogue is the folder of samples', async (t) => {
  t.same(texts(), readTexts(join(import.meta.dirname, '../../../bootstrap/samples')));
  t.ok(samples.length >= 14);
  for (const { name, version, state, what, text } of samples) {
    t.match(name, /^[a-z0-9-]+$/);
    t.ok(what.length <= 110, `${name}: a line of a list`);
    if (/\d/.test(version)) t.match(text.slice(text.indexOf('\n#\n')), version, `${name} is of ${version}`);
    if (state === 'retired') t.match(text, 'Upstream is retired', name);
  }
});

t.test('a sample without a description is left out', async (t) => {
  const text = '# What: x\n# Version: v1\n# State: odd\n';
  for (const wrong of ['', text, text.replace('# State: odd\n', '')])
    t.throws(
      () => catalogueOf({ x: wrong }),
      /^shim-x\.yaml does not begin with What, Version and State/,
      wrong,
    );
  const good = text.replace('odd', 'retired');
  t.same(catalogueOf({ x: good }), [{ name: 'x', what: 'x', version: 'v1', state: 'retired', text: good }]);
});

const policy = { allowUnpinned: true, allowedHosts: [] };

t.test('each example has the meaning of its sample, as TOML and for a node', async (t) => {
  for (const sample of samples) {
    const { metadata, spec } = parse(sample.text) as {
      metadata: { name: string };
      spec: { fetchStrategy: { platforms: { arch: Policy['machine'] }[] } };
    };
    const toml = exampleOf(sample);
    t.same(parseToml(toml, sample.name), { name: metadata.name, ...spec }, sample.name);
    for (const { arch: machine } of spec.fetchStrategy.platforms) {
      const { where: _file, ...local } = parseShim(toml, `${sample.name}.toml`, { ...policy, machine });
      const {
        where: _resource,
        order: _order,
        ...resource
      } = parseShimResource(parse(sample.text), {
        ...policy,
        machine,
      });
      t.same(local, resource, `${sample.name} on ${machine}`);
    }
  }
});

t.test('notes for completing it are included, and notes for clusters are not', async (t) => {
  const lunatic = exampleOf(of('lunatic'));
  t.equal(lunatic.match(/^# sha256 = "64 digits"$/gm)?.length, 2);
  t.match(lunatic, '#     curl -L LOCATION | sha256sum\n');
  t.match(lunatic, /^# State: retired$/m);
  t.match(exampleOf(of('crun-wasmedge')), /^location = ".*" # replace$/m);
  t.notMatch(exampleOf(of('spin')), 'nodeSelector');
  for (const sample of samples) {
    t.match(
      exampleOf(sample),
      `# rcm-node shim example ${sample.name} > /etc/rcm-node/shims.d/${sample.name}.toml\n`,
    );
    const [, spec = ''] = sample.text.split('\nspec:\n');
    for (const [comment] of spec.matchAll(/# (?!sha256: 64 digits).*$/gm))
      t.match(exampleOf(sample), comment, `${sample.name} keeps each comment`);
    t.notMatch(exampleOf(sample), /\n\n\n|[ \t]\n/, sample.name);
  }
});

t.test('forms that no sample has yet are written, or refused', async (t) => {
  const yaml = (spec: string) => ({ name: 'x', text: `metadata: { name: x }\nspec:\n${spec}` });
  const toml = (spec: string) => parseToml(exampleOf(yaml(spec)), 'x.toml');
  t.same(toml('  a: { b: { c: 1, "d e": [true, "f\\"\\n"] } }\n  z: "last"\n'), {
    name: 'x',
    a: { b: { c: 1, 'd e': [true, 'f"\n'] } },
    z: 'last',
  });
  t.match(
    exampleOf(yaml('  # above\n  a:\n    # in\n    b: 1 # behind\n')),
    '# above\n\n# in\n[a]\nb = 1 # behind\n',
  );
  t.throws(() => toml('  a: [[{ b: 1 }]]\n'), /no form/);
  t.throws(() => toml('  a: [{ b: 1 }, 2]\n'), /tables and others/);
  t.throws(() => exampleOf({ name: 'x', text: 'spec: {}\n' }), /shim-x\.yaml is no Shim/);
});

t.test('an unknown name is answered with the right one, or with all', async (t) => {
  const command = {
    name: 'shim',
    verb: 'example',
    root: '/',
    activate: true,
    json: false,
    force: false,
  } as const;
  const answer = async (operand: string) => String(await shim({ ...command, operand }));
  t.equal(await answer('Wasmtme'), 'there is no example "Wasmtme"; did you mean "wasmtime"?');
  t.match(await answer('toString'), `examples are: ${samples.map(({ name }) => name).join(', ')}`);
});
