/** The selected handlers of a decision: those that the configuration must define now. */
import type { Installed, Placed } from '../../model/ledger.ts';
import type { HandlerReport, Step } from '../../model/plan.ts';
import type { Table } from '../../toml/compare.ts';

export type Wanted = {
  readonly name: string;
  readonly table: Table;
  /** Absent when the handler is kept as its present text. */
  readonly installed?: Installed;
  /** It is there without a shim: its link leads nowhere. */
  readonly prepared?: Placed;
  /** In the files, and not loaded: alone it is no reason for a restart. */
  readonly waits?: true;
  /** Of a new or changed handler: its digest, for the proof that a sandbox starts with it. */
  readonly start?: string;
};

export type Selection = {
  readonly wanted: readonly Wanted[];
  /** Downloads and placements to do first. */
  readonly artifacts: readonly Step[];
  readonly reports: readonly HandlerReport[];
  /** Folders of the store for handlers that wait for an approval; nothing names them yet. */
  readonly awaited: readonly string[];
  /** Handlers with which, in their desired form, no sandbox started. */
  readonly leftOut: ReadonlySet<string>;
};
