/**
 * What a set of Shims needs, for every machine that a node can have: files of shims.d, and Shims as YAML or JSON as they are applied,
 * among other objects and in lists.
 */
import { parseAllDocuments } from 'yaml';
import { fields, isFields, items } from '../../protocol/json.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import type { Handler } from '../../daemon/model/desired.ts';
import { parseShim } from '../../daemon/shims/local-file.ts';
import { parseShimResource } from '../../daemon/shims/resource.ts';
import type { Machine } from '../../host/facts.ts';
import { perMachine } from './per-machine.ts';

export type Text = { readonly name: string; readonly text: string };

export type Needed = {
  readonly location: string;
  /** Absent: the Shim gives none. */
  readonly sha256?: string;
  readonly shims: readonly string[];
  readonly machines: readonly Machine[];
};

type Parse = (machine: Machine) => Handler;

const machines: readonly Machine[] = ['amd64', 'arm64'];

/** What a node allows is for the node to say. */
const policyFor = (machine: Machine) => ({ machine, allowUnpinned: true, allowedHosts: [] });

/** A file of another kind is no Shim; a list holds several. */
const shimsIn = (value: unknown): readonly unknown[] => {
  if (!isFields(value)) return [];
  if (value.kind === 'List' || value.kind === 'ShimList') return items(value.items).flatMap(shimsIn);
  const isShim = value.kind === 'Shim' && String(value.apiVersion).startsWith('runtime.spinkube.dev/');
  return isShim ? [value] : [];
};

const documentsIn = ({ name, text }: Text): readonly unknown[] | undefined => {
  const documents = [...parseAllDocuments(text, { logLevel: 'error' })];
  const isYaml = documents.some((one) => one.errors.length === 0 && 'apiVersion' in fields(one.toJS()));
  if (!isYaml && !/\.(ya?ml|json)$/.test(name)) return undefined;
  const [fault] = documents.flatMap(({ errors }) => errors);
  if (fault)
    throw new Failure({
      code: 'bad-value',
      message: `it cannot be parsed as YAML: ${fault.message.split('\n')[0]?.replace(/:$/, '')}`,
      where: { file: name },
    });
  return documents.map((one) => one.toJS() as unknown);
};

const parsersOf = (given: Text): readonly Parse[] => {
  const documents = documentsIn(given);
  if (!documents) return [(machine) => parseShim(given.text, given.name, policyFor(machine))];
  const shims = documents.flatMap(shimsIn);
  if (shims.length === 0)
    throw new Failure({
      code: 'bad-value',
      message: 'it has no Shim of runtime.spinkube.dev',
      where: { file: given.name },
      hint: 'Name files of shims.d (*.toml) or Shims in YAML; kubectl get shims -o yaml prints them.',
    });
  return shims.map((shim) => (machine) => parseShimResource(shim, policyFor(machine)));
};

const unique = <T>(values: readonly T[]): readonly T[] => [...new Set(values)].sort();

/** Each location once. Throws the Failure of the first text that is wrong, and for one location with two digests. */
export const neededBy = (texts: readonly Text[]): readonly Needed[] => {
  const all = new Map<string, Needed>();
  for (const text of texts)
    for (const [machine, { name, artifact }] of parsersOf(text).flatMap((parse) =>
      perMachine(machines, parse),
    )) {
      const { url, sha256 } = artifact;
      const known = all.get(url);
      if (known?.sha256 !== undefined && sha256 !== undefined && known.sha256 !== sha256)
        throw new Failure({
          code: 'bad-value',
          message: `two Shims give two digests for one location (${known.shims.join(', ')} and ${name})`,
          where: { file: text.name },
        });
      const digest = sha256 ?? known?.sha256;
      all.set(url, {
        location: url,
        ...(digest === undefined ? {} : { sha256: digest }),
        shims: unique([...(known?.shims ?? []), name]),
        machines: unique([...(known?.machines ?? []), machine]),
      });
    }
  return [...all.values()];
};
