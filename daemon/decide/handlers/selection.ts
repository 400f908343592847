/** What a decision asks for, once it is known what can be had now: the handlers that the configuration shall carry. */
import type { Installed } from '../../model/ledger.ts';
import type { HandlerReport, Step } from '../../model/plan.ts';
import type { Table } from '../../toml/compare.ts';

export type Wanted = {
  readonly name: string;
  readonly table: Table;
  /** Absent when the handler is kept as it stands, from the text alone. */
  readonly installed?: Installed;
  /** Of one that is new or another than before: names it as it shall be, for the proof that a sandbox starts with it. */
  readonly start?: string;
};

export type Selection = {
  readonly wanted: readonly Wanted[];
  /** Downloads and placements that come first. */
  readonly artifacts: readonly Step[];
  readonly reports: readonly HandlerReport[];
  /** Folders of the store that nothing names yet, for what waits for its turn. */
  readonly awaited: readonly string[];
  /** Handlers with which no sandbox started as they are asked for. */
  readonly leftOut: ReadonlySet<string>;
};
