/**
 * What a prepared handler and a Shim must have in common, so that the Shim is served without a restart: a node tells a short digest of
 * each slot's table, and the controller compares it with that of the Shim. And the entry of the settings that prepares such a handler.
 */
import type { Prepared } from '../model/desired.ts';
import { canonical, digestOf } from '../../protocol/digest.ts';
import type { ShimObject } from '../../protocol/shim-object.ts';
import { prepareField } from '../model/prepared.ts';
import { recover } from '../../protocol/problem/problem.ts';
import { rootOf } from '../toml/cursor.ts';
import type { OptionValue } from '../toml/options.ts';
import { parseToml } from '../toml/toml.ts';
import { handlerFor, machines } from './revision.ts';

type Asked = Pick<Prepared, 'runtime' | 'options' | 'podAnnotations' | 'containerAnnotations'>;

/** Of a shim without options and annotations: as a name alone prepares it. */
export const plainTable = 'plain';

/** Equal where the tables in the configuration are equal: decide/handlers/prepared.ts. The libraries of an OCI runtime are not in it. */
export const tableKey = ({ runtime, options, podAnnotations, containerAnnotations }: Asked): string => {
  const parts = [Object.keys(options), podAnnotations, containerAnnotations];
  if (runtime.type === 'shim' && parts.every(({ length }) => length === 0)) return plainTable;
  const program = runtime.type === 'oci' ? runtime.binary : '';
  return digestOf(canonical([program, options, podAnnotations, containerAnnotations])).slice(0, 12);
};

/** Undefined for a Shim that no node takes. */
const askedBy = ({ metadata, spec }: ShimObject): Asked | undefined => {
  for (const machine of machines)
    try {
      return handlerFor(machine, metadata.name, spec);
    } catch {
      // It may have an artifact for the other one alone.
    }
  return undefined;
};

const valueText = (value: OptionValue): string =>
  typeof value === 'object' ? `[${value.map(valueText).join(', ')}]` : literal(value);

const literal = (value: string | number | bigint | boolean): string =>
  typeof value === 'string' ? JSON.stringify(value) : String(value);

/** As it is written in the list `[runtime] prepare`. */
export const entryFor = (
  name: string,
  { runtime, options, podAnnotations, containerAnnotations }: Asked,
): string => {
  const pairs = Object.entries(options).map(([key, value]) => `${key} = ${valueText(value)}`);
  const rows = [
    ...(runtime.type === 'oci' ? [`runtime = { type = "oci", binary = ${literal(runtime.binary)} }`] : []),
    ...(pairs.length === 0 ? [] : [`containerdRuntimeOptions = { ${pairs.join(', ')} }`]),
    ...(podAnnotations.length === 0 ? [] : [`podAnnotations = ${valueText(podAnnotations)}`]),
    ...(containerAnnotations.length === 0
      ? []
      : [`containerAnnotations = ${valueText(containerAnnotations)}`]),
  ];
  return rows.length === 0 ? literal(name) : `{ ${[`handler = ${literal(name)}`, ...rows].join(', ')} }`;
};

/** Conditions and Events have it: nothing that may be a credential, and no text of any length. */
const isShown = (entry: string): boolean => entry.length <= 1000 && !/[@?]|:\/\/|-----BEGIN/.test(entry);

/** A file cannot hold all options of a resource: the text "true" is a boolean there. The entry would be added, and help nothing. */
const prepares = (entry: string, key: string): boolean =>
  recover(
    () => {
      const text = `it = [${entry}]`;
      const [one] = prepareField.read(rootOf(parseToml(text, '').it, '', text)) ?? [];
      return one !== undefined && tableKey(one) === key;
    },
    () => false,
  );

/** `entry`: what prepares a handler for this Shim. One that no node takes counts as plain: what is wrong with it is said elsewhere. */
export const slotTableOf = (
  shim: ShimObject,
  handler: string,
): { readonly key: string; readonly entry?: string } => {
  const asked = askedBy(shim);
  if (asked === undefined) return { key: plainTable };
  const [key, entry] = [tableKey(asked), entryFor(handler, asked)];
  const isGood = isShown(entry) && prepares(entryFor('slot-1', asked), key);
  return { key, ...(isGood ? { entry } : {}) };
};
