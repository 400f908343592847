/** What is remembered of a Pod and of its containers, across restarts. */
import type { ContainerConfig, SandboxConfig } from '../serve/requests.ts';

export type Process = {
  readonly id: string;
  /** As it was asked for; '' is the default one. */
  readonly handler: string;
  readonly runtime: string;
  readonly name: string;
  readonly bundle: string;
  readonly log: string;
};

export type Sandbox = {
  readonly id: string;
  readonly handler: string;
  readonly config: SandboxConfig;
  readonly createdAt: number;
  /** Absent where no PID namespace is shared: CRI-O drops the pause container then. */
  readonly pause?: Process;
  readonly stopped: boolean;
};

export type Container = {
  readonly id: string;
  readonly sandbox: string;
  readonly config: ContainerConfig;
  readonly process: Process;
  readonly imageId: string;
  readonly createdAt: number;
  /** 0: not yet. */
  readonly startedAt: number;
};
