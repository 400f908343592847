/** The record of a real CRI-O (test/fixtures/crio/), and its files below a folder that stands for `/`. */
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type RecordedFile =
  | string
  | null
  | { readonly symlink: string }
  | { readonly dir: 1 }
  | { readonly hex: string }
  | { readonly text: string; readonly mode: string };

export type RecordedHandlers = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export type Reload = {
  readonly do: string;
  readonly files: Readonly<Record<string, RecordedFile>>;
  readonly handlers: readonly string[];
  readonly verbose: RecordedHandlers;
  readonly crio_status_config_handlers: readonly string[];
  readonly run: Readonly<Record<string, string>>;
  readonly journal: readonly string[];
};

export type Case = {
  readonly name: string;
  readonly files: Readonly<Record<string, RecordedFile>>;
  readonly config: {
    readonly code: number;
    readonly stdout_bytes: number;
    readonly stdout_handlers: RecordedHandlers;
    readonly stdout_handlers_commented: readonly string[];
    readonly default_runtime: string | null;
    readonly read_in_order: readonly string[];
    readonly stderr: readonly string[];
  };
  readonly daemon: {
    readonly starts: boolean;
    readonly journal: readonly string[];
    readonly effective_handlers?: RecordedHandlers;
    /** A text where there were too many. */
    readonly handlers: readonly string[] | string | null;
    readonly verbose?: RecordedHandlers;
    readonly features?: Readonly<Record<string, Readonly<Record<string, boolean>>>>;
    readonly default?: string;
    readonly run: Readonly<Record<string, string>>;
  };
  readonly reload?: readonly Reload[];
};

export type WasmCase = {
  readonly pid_namespace: string;
  readonly config: string;
  readonly handler: string;
  readonly image: string;
  readonly pod_annotations: Readonly<Record<string, string>>;
  readonly container_annotations: Readonly<Record<string, string>>;
  readonly result: string;
};

const folder = join(import.meta.dirname, '..', '..', 'test', 'fixtures', 'crio');
const read = <What>(name: string): What => JSON.parse(readFileSync(join(folder, name), 'utf8')) as What;

export const cases = (): readonly Case[] => read('crio-cases.json');
export const wasmCases = (): readonly WasmCase[] => read('crio-wasm-cases.json');

/** Texts that were cut in the record, by how they begin. */
const whole = (text: string): string => {
  const size = Number(/… \((\d+) bytes\)$/.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(size)) return text;
  const handler = (name: string): string =>
    `[crio.runtime.runtimes.${name}]\nruntime_path = "/opt/held/rt"\n`;
  const made = text.startsWith('# x')
    ? `# ${'x'.repeat(1_000_000)}\n${handler('extra')}`
    : Array.from({ length: 1000 }, (_, index) => handler(`h${index}`)).join('');
  if (made.length !== size) throw new Error(`this is ${made.length} bytes, and was ${size}`);
  return made;
};

const place = (path: string, file: RecordedFile): void => {
  rmSync(path, { recursive: true, force: true });
  if (file === null) return;
  mkdirSync(dirname(path), { recursive: true });
  if (typeof file === 'string') writeFileSync(path, whole(file));
  else if ('symlink' in file) symlinkSync(file.symlink, path);
  else if ('dir' in file) mkdirSync(path);
  else if ('hex' in file) writeFileSync(path, Buffer.from(file.hex, 'hex'));
  else {
    writeFileSync(path, file.text);
    // Only root can read it then, as the recorded daemon did.
    if (process.getuid?.() === 0) chmodSync(path, Number.parseInt(file.mode, 8));
  }
};

/** `null` takes a file away. */
export const placeFiles = (root: string, files: Readonly<Record<string, RecordedFile>>): void => {
  for (const [path, file] of Object.entries(files)) place(join(root, path), file);
};

/** The recorded node's own, which are not CRI-O's: cases that set them in a file come without. */
export const recordedFlags = ({ files }: Pick<Case, 'files'>): readonly string[] =>
  '/etc/crio/crio.conf.d/00-base.conf' in files
    ? []
    : [
        ...['--cgroup-manager=cgroupfs', '--conmon-cgroup=pod'],
        ...['--pause-image=feas.test/pause:1', '--pause-command=/pause'],
      ];
