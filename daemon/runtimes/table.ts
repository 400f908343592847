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

/** Whose file of ours a path may be: each drop-in has a name of its own, and files of others are changed for one runtime alone. */
export const runtimeOfFile = (path: string): Runtime =>
  runtimes.find(({ dropIn }) => dropIn.mayBe(path)) ?? usualRuntime;

/** By the unit that a person names; packages that call it otherwise are told apart by nothing yet. */
export const runtimeBy = (unit: string | undefined): Runtime =>
  runtimes.find(({ usual }) => [usual.unit, ...(usual.aliases ?? [])].some((one) => one === unit)) ??
  usualRuntime;

export const unitOf = (named: string | undefined): string => named ?? usualRuntime.usual.unit;
