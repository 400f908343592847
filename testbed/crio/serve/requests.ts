/** What requests hold once they are decoded: every field is there, a message that was not sent is null. */

export type Labels = Readonly<Record<string, string>>;
export type Namespaces = { readonly network: number; readonly pid: number; readonly ipc: number };

export type SandboxConfig = {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly namespace: string;
    readonly attempt: number;
  } | null;
  readonly log_directory: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly linux: {
    readonly security_context: { readonly namespace_options: Namespaces | null } | null;
  } | null;
};
export type RunSandbox = { readonly config: SandboxConfig | null; readonly runtime_handler: string };

export type ContainerConfig = {
  readonly metadata: { readonly name: string; readonly attempt: number } | null;
  readonly image: { readonly image: string } | null;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly working_dir: string;
  readonly envs: readonly { readonly key: string; readonly value: string }[];
  readonly mounts: readonly {
    readonly container_path: string;
    readonly host_path: string;
    readonly readonly: boolean;
  }[];
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly log_path: string;
};
export type CreateContainer = { readonly pod_sandbox_id: string; readonly config: ContainerConfig | null };

export type OneSandbox = { readonly pod_sandbox_id: string; readonly verbose: boolean };
export type OneContainer = { readonly container_id: string; readonly timeout: string };
export type OneImage = { readonly image: { readonly image: string } | null };
export type Filtered = {
  readonly filter: {
    readonly id: string;
    readonly pod_sandbox_id?: string;
    readonly label_selector: Labels;
  } | null;
};
