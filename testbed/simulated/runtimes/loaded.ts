/** What a start of the fake container runtime, or its own parser, makes of the configuration. */
import type { Table } from './tables.ts';

export type Loaded =
  | {
      readonly kind: 'loaded';
      /** The handlers that CRI would serve. */
      readonly handlers: Readonly<Record<string, Table>>;
      /** Why the CRI plugin does not start, while the daemon does. */
      readonly criFault: string | undefined;
      readonly socket: string;
      /** What `config dump` prints. */
      readonly dump: string;
      /** The handlers that Pods start with, where it tells of others. */
      readonly runs?: readonly string[];
      /** What it makes of a SIGHUP; absent: it ends. */
      readonly reload?: () => Loaded;
    }
  | { readonly kind: 'fatal'; readonly why: string };
