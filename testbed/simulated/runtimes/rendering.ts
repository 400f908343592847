/**
 * A stand-in for what k3s, RKE2 and MicroK8s do to the main file of containerd at each start, on a simulated host. What is
 * inside the program of a distribution is a file below `standIn` here: a test that upgrades the distribution writes another one.
 * testbed/distros/ has the same in Go, with real templates.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'smol-toml';

/**
 * `text`: the template is executed, and its text is the file. `merged`: base and template are rendered apart, merged by keys, and
 * printed anew. `variables`: a template with variables of a shell.
 */
export type Rendering = 'text' | 'merged' | 'variables';

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
export const render = (root: string, main: string, rendering: Rendering): void =>
  writeFileSync(join(root, main), rendered(root, dirname(main), rendering));

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
