/** A booted node, as everything that is tried on it sees it; node.ts boots one in a container, ../vm/node.ts a virtual machine. */
import type { Suite } from '../artifacts/images.ts';
import type { CommandOptions, Said } from '../machine/command.ts';

/** What both kinds have. */
export type AnyNode = {
  readonly name: string;
  readonly suite: Suite;
  /** The unit of its container runtime. */
  readonly unit: string;
  /** The CRI socket of its container runtime, reachable from here; another path after each boot. */
  readonly criSocket: string;
  /** Runs a program in the node, as root; never rejects for an exit code. */
  exec(argv: readonly string[], options?: Omit<CommandOptions, 'cleanEnv' | 'progress'>): Promise<Said>;
  /** Like `exec`, but anything but exit code 0 is an error; returns what it wrote to stdout. */
  run(argv: readonly string[], options?: Omit<CommandOptions, 'cleanEnv' | 'progress'>): Promise<string>;
  readFile(path: string): Promise<string>;
  /** Makes missing folders, replaces an existing file. */
  writeFile(path: string, content: string | Uint8Array, mode?: number): Promise<void>;
  /** Orderly shutdown and start. */
  reboot(): Promise<void>;
  /** SIGKILL for all of it at once, as when the power fails; what was written stays. */
  kill(): Promise<void>;
  /** Boots again after `kill`. */
  start(): Promise<void>;
  /** Orderly shutdown, then nothing is left of the node. */
  stop(): Promise<void>;
  /** What PID 1 wrote to its console so far. */
  consoleText(): string;
};

/** In a container, whose processes and files are this machine's too. */
export type TestNode = AnyNode & {
  /** The node's PID 1 as seen from here; another one after each boot. */
  readonly leader: number;
  /** The root file system as files, without the node's own mounts such as /run. */
  readonly root: string;
  /** A path in the node, with its mounts, as this machine sees it. Absolute links on the way lead astray. */
  hostPath(path: string): string;
};
