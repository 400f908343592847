/** What starts and ends the processes of containers, so that tests without root can put another in its place. */
import type { Handler } from '../config/model.ts';

export type Order = {
  readonly handler: Handler;
  /** The OCI runtime; of a handler one for each platform of images. */
  readonly runtime: string;
  readonly id: string;
  readonly name: string;
  /** Holds config.json. */
  readonly bundle: string;
  readonly log: string;
};

export type Ended = { readonly exitCode: number };

/** Errors have CRI-O's messages. */
export type Monitor = {
  readonly create: (order: Order) => Promise<void>;
  readonly start: (order: Order) => Promise<void>;
  /** Undefined while it runs, or has not begun. */
  readonly ended: (order: Order) => Ended | undefined;
  readonly stop: (order: Order, seconds: number) => Promise<void>;
  readonly remove: (order: Order) => Promise<void>;
};
