/** The chart has every manifest of bootstrap/ and no other text of it; what its values may be is in its schema. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { document, replace } from '../../../packaging/chart/edits.ts';
import { templates } from '../../../packaging/chart/templates.ts';
import { pathOf, templateOf } from '../../../packaging/chart/write.ts';

const root = join(import.meta.dirname, '../../..');
const bootstrap = join(root, 'bootstrap');
const chart = join(root, 'charts/rcm-node');
const read = (path: string): string => readFileSync(join(chart, path), 'utf8');

/** What no manifest of bootstrap/ is: conditions, settings that a person writes, and what a hook of Helm is. */
const own = ['_helpers.tpl', 'NOTES.txt', 'checks.yaml', 'daemonset.yaml', 'settings.yaml', 'shims.yaml'];

t.test('each template is in step: node packaging/chart/write.ts writes it', async (t) => {
  for (const path of Object.keys(templates)) t.equal(read(pathOf(path)), templateOf(bootstrap, path), path);
});

t.test('there is no other template, and no manifest is left out', async (t) => {
  const there = globSync('templates/**/*.*', { cwd: chart }).sort();
  const expected = [...own, 'uninstall.yaml'].map((name) => join('templates', name));
  t.same(there, [...Object.keys(templates).map(pathOf), ...expected].sort());
  const manifests = globSync('*/*.yaml', { cwd: bootstrap }).filter(
    (path) => !/^samples\/|\/(kustomization|references)\.yaml$/.test(path),
  );
  // Settings of the nodes are templates/settings.yaml.
  const written = [...Object.keys(templates), 'serviceaccount/settings.yaml'];
  t.same(manifests.sort(), written.sort());
});

t.test('an edit that finds nothing to change is an error', async (t) => {
  t.throws(() => replace('a: 1', 'a: 2')('a: 3\n'), /there is no a: 1/);
  t.throws(() => document('Role', 'true')('kind: ClusterRole\n'), /not one Role/);
  t.equal(
    document('Role', '.a')('kind: Pod\n---\nkind: Role\n---\nkind: Pod\n'),
    'kind: Pod\n---\n{{- if .a }}\nkind: Role\n{{- end }}\n---\nkind: Pod\n',
  );
});

type Schema = {
  readonly type?: string;
  readonly description?: string;
  readonly additionalProperties?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly $ref?: string;
};
const schema = JSON.parse(read('values.schema.json')) as Schema;

t.test('the schema knows each value, and allows no other', async (t) => {
  const compare = (path: string, value: unknown, at: Schema): void => {
    if (at.$ref === undefined && path !== '') t.match(at.description, /^\S.*\.$/, path);
    if (at.properties === undefined) return;
    t.equal(at.additionalProperties, false, path);
    const values = value as Readonly<Record<string, unknown>>;
    // `global` is what Helm gives to a chart that another one depends on.
    t.same(
      Object.keys(at.properties).filter((key) => key !== 'global'),
      Object.keys(values),
      path,
    );
    for (const [key, inner] of Object.entries(values))
      compare(`${path}.${key}`, inner, at.properties[key] ?? {});
  };
  compare('', parse(read('values.yaml')), schema);
});

t.test('its version is that of the program, and it has what Artifact Hub reads', async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const { annotations, ...about } = parse(read('Chart.yaml')) as {
    readonly annotations: Readonly<Record<string, string>>;
  };
  t.match(about, { name: 'rcm-node', version, appVersion: version, kubeVersion: '>=1.28.0-0' });
  const crd = parse(readFileSync(join(bootstrap, 'crd/shims.yaml'), 'utf8'), { maxAliasCount: 100 });
  const [listed] = parse(annotations['artifacthub.io/crds'] ?? '') as object[];
  t.match(listed, { kind: crd.spec.names.kind, version: crd.spec.versions[0].name, name: crd.metadata.name });
  const [example] = parse(annotations['artifacthub.io/crdsExamples'] ?? '') as { kind: string }[];
  t.equal(example?.kind, 'Shim');
  t.match(parse(annotations['artifacthub.io/images'] ?? ''), [
    { name: 'rcm-node', image: `rcm-node:${version}` },
    { name: 'pause', image: /^registry\.k8s\.io\/pause:\S+@sha256:[0-9a-f]{64}$/ },
  ]);
});
