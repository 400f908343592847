/**
 * A stand-in for what k3s, RKE2, k0s and MicroK8s do to the main file of containerd at each start, on a simulated host. What is
 * inside the program of a distribution is a file below `standIn` here: a test that upgrades the distribution writes another one.
 * testbed/distros/ has the same in Go, with real templates.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'smol-toml';

/**
 * `text`: the template is executed, and its text is the file. `merged`: base and template are rendered apart, merged by keys, and
 * printed anew. `variables`: a template with variables of a shell. `drop-ins`: k0s, which imports its folder; `merged drop-ins`: k0s,
 * which merges its folder into a file that it imports.
 */
export type Rendering = 'text' | 'merged' | 'variables' | 'drop-ins' | 'merged drop-ins';

export const standIn = '/usr/local/lib/stand-in';

type Table = Record<string, unknown>;

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

const merge = (to: Table, from: Table): Table =>
  Object.fromEntries(
    [...new Set([...Object.keys(to), ...Object.keys(from)])].sort().map((key) => {
      const [was, is] = [to[key], from[key]];
      return [key, isTable(was) && isTable(is) ? merge(was, is) : key in from ? is : was];
    }),
  );

const runc = 'io.containerd.runc.v2';
const action = /\{\{-?\s*template\s+"base"\s+\.\s*-?\}\}/g;

const execute = (template: string, base: string): string => {
  const text = template.replaceAll(action, () => base);
  if (/\{\{/.test(text)) throw new Error(`the stand-in knows no other action than "base": ${text}`);
  return text;
};

/** The main file is at `main`, below `root`. */
export const render = (root: string, main: string, rendering: Rendering): void => {
  for (const [path, text] of filesOf(root, main, rendering)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
};

const filesOf = (
  root: string,
  main: string,
  rendering: Rendering,
): readonly (readonly [string, string])[] => {
  if (!rendering.endsWith('drop-ins')) return [[main, rendered(root, dirname(main), rendering)]];
  const folder = `${dirname(main)}/containerd.d`;
  const own = (doc: Table): string => managed + stringify({ version: 3, ...doc });
  if (rendering === 'drop-ins') return [[main, own({ imports: [`${folder}/*.toml`], plugins: k0s })]];
  const names = existsSync(join(root, folder)) ? readdirSync(join(root, folder)).sort() : [];
  const texts = names.map((name) => parse(readFileSync(join(root, folder, name), 'utf8')) as Table);
  const merged = '/run/k0s/containerd-cri.toml';
  return [
    [merged, stringify(texts.reduce(merge, { version: 3, plugins: k0s }))],
    [main, own({ imports: [merged] })],
  ];
};

const managed = '# k0s_managed=true\n';
const k0s: Table = {
  'io.containerd.cri.v1.images': { pinned_images: { sandbox: 'quay.io/k0sproject/pause:3.10.1' } },
  'io.containerd.cri.v1.runtime': {},
};

const rendered = (root: string, folder: string, rendering: Rendering): string => {
  const read = (path: string): string | undefined =>
    existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : undefined;
  if (rendering === 'variables')
    return (read(`${folder}/containerd-template.toml`) ?? '').replaceAll(`\${RUNTIME_TYPE}`, runc);
  const templates = [
    { template: read(`${folder}/config-v3.toml.tmpl`), base: read(`${standIn}/base-v3.toml`) },
    { template: read(`${folder}/config.toml.tmpl`), base: read(`${standIn}/base-v2.toml`) },
  ].filter(({ base }) => base !== undefined);
  const found = templates.find(({ template }) => template !== undefined) ?? templates[0];
  const { template, base = '' } = found ?? {};
  if (template === undefined) return base;
  if (rendering === 'text') return execute(template, base);
  const [header = ''] = base.split('\n');
  const merged = merge(parse(base) as Table, parse(execute(template, '')) as Table);
  return `${header}\n${stringify(merged)}`;
};
