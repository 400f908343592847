/** The supported container runtimes, one row each. No code outside this folder depends on the name of one. */
import { containerd } from './containerd/row.ts';
import { crio } from './crio/row.ts';
import type { RuntimeName } from './facts.ts';
import type { Runtime } from './runtime.ts';

const rows: Readonly<Record<RuntimeName, Runtime>> = { containerd, crio };

export const runtimes: readonly Runtime[] = Object.values(rows);

/** The default, if nothing on the host shows which runtime it is. */
export const usualRuntime: Runtime = rows.containerd;

export const runtimeOf = ({ name }: { readonly name: RuntimeName }): Runtime => rows[name];

/** By the name of the unit in the settings; a unit with another name cannot be recognised yet. */
export const runtimeBy = (unit: string | undefined): Runtime =>
  runtimes.find(({ usual }) => usual.unit === unit) ?? usualRuntime;

export const unitOf = (named: string | undefined): string => named ?? usualRuntime.usual.unit;
