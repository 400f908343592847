/** The container runtimes that are known: one row each, and nothing outside this folder knows one by name. */
import { containerd } from './containerd/row.ts';
import { crio } from './crio/row.ts';
import type { RuntimeName } from './facts.ts';
import type { Runtime } from './runtime.ts';

const rows: Readonly<Record<RuntimeName, Runtime>> = { containerd, crio };

export const runtimes: readonly Runtime[] = Object.values(rows);

/** Where nothing on the host tells which one it is. */
export const usualRuntime: Runtime = rows.containerd;

export const runtimeOf = ({ name }: { readonly name: RuntimeName }): Runtime => rows[name];

/** By the unit that a person names; packages that call it otherwise are told apart by nothing yet. */
export const runtimeBy = (unit: string | undefined): Runtime =>
  runtimes.find(({ usual }) => usual.unit === unit) ?? usualRuntime;

export const unitOf = (named: string | undefined): string => named ?? usualRuntime.usual.unit;
