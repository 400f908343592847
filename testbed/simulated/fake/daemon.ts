/** What a test sets and reads of the fake container runtime. */
import type { ContainerFact } from '../../../host/cri/cri.ts';
import type { UnitFacts } from '../../../host/facts.ts';
import type { Loaded } from '../runtimes/loaded.ts';
import type { Rendering } from '../runtimes/rendering.ts';

/** How a start of containerd goes. `slow`: ready after so many ms. `dies`: ready, and gone after so many ms. */
export type Start =
  | 'works'
  /** Ends before it is ready; systemd starts it again every 5 s, for ever. */
  | 'exits'
  /** Ends, and systemd gives up. */
  | 'fails'
  /** The unit is active, the CRI plugin did not load. */
  | 'no-cri'
  | 'not-ready'
  /** Ready, but without the handlers that are new to it. */
  | 'drops'
  /** Never ready. */
  | 'hangs'
  | { readonly slow: number; readonly later?: 'no-cri' }
  | { readonly dies: number };

export type Sandbox = {
  readonly id: string;
  readonly handler: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
};

/** How a sandbox of a handler starts. `late`: only after the caller's deadline. `drags`: refused, just before that. `kills`: the daemon dies of it. */
export type SandboxStart = 'works' | 'refused' | 'drags' | 'late' | 'kills' | 'stays';

export type Containerd = {
  /** Of its program: as the next start runs it. */
  version: string;
  /** How the program that starts it makes its main file, as the next start does it. */
  rendering: Rendering | undefined;
  unit: UnitFacts;
  /** What the running daemon has loaded. */
  loaded: Loaded | undefined;
  sandboxes: readonly Sandbox[];
  containers: readonly ContainerFact[];
  /** How a start with these handlers goes. */
  behaves: (handlers: readonly string[]) => Start;
  /** How long the running daemon takes to stop, in ms. */
  stopTakes: number;
  /** Handlers that the daemon does not tell of although it loaded them. */
  forgotten: readonly string[];
  /**
   * Jobs that were asked of systemd, and starts of the daemon by the watch of a folder, with the virtual time: `restart 1200`,
   * `start 61000`, `watched 3000`.
   */
  readonly jobs: string[];
  /** How often its binary was asked about a configuration. */
  dumps: number;
  /** What `journalctl` has of it. */
  journal: string;
  /** How a sandbox starts; '' is the default handler. `stays`: it starts, and cannot be removed. */
  starts: (handler: string) => SandboxStart;
  /** What was asked about sandboxes: `start spin-v2`, `remove proof-1`. */
  readonly sandboxJobs: string[];
  /** Whether the image of sandboxes is there. */
  pauseImage: boolean;
  /** The state of the whole host, as systemd names it. */
  host: string;
  /** Another program restarts it. */
  restartByOther(): void;
  /** Another program sends it a SIGHUP, after which CRI-O tells of what the files have now, and starts Pods as before. */
  reloadByOther(): void;
  /** Another program stops it. */
  stopByOther(): void;
  served(): readonly string[];
  /** The handlers that Pods start with. */
  runs(): readonly string[];
};

export type FakeOptions = {
  readonly root: string;
  /** containerd unless told. */
  readonly runtime?: 'crio';
  readonly version: string;
  readonly execStart?: readonly string[];
  readonly environment?: readonly string[];
  readonly load?: string;
  /** Of another program that starts the daemon as its child, with these arguments; `execStart` is that program's then. */
  readonly unit?: string;
  readonly child?: readonly string[];
  /** How that program makes the main file at each start. */
  readonly rendering?: Rendering;
  /** That program watches this folder, and starts another daemon 3 s after its last change (k0s). */
  readonly watches?: string;
  /** False: the unit is there, and containerd does not run. */
  readonly runs?: boolean;
};
