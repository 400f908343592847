/**
 * What can go wrong, as data: one table from code to what a person needs (the way out) and what the loop needs
 * (when trying again makes sense). Every error that leaves a floor is a `Failure` that carries a `Problem`.
 *
 * To add one: add a row to `codes`; the compiler then accepts it everywhere, and `doctor`, `status`, the journal
 * and the metrics show it without further work.
 */
import { maskUrls } from './mask.ts';
import { artifactCodes } from './problem-artifacts.ts';
import { clusterCodes } from './problem-cluster.ts';
import { formerCode } from './former-codes.ts';
import { fileCodes } from './problem-files.ts';
import { signatureCodes } from './problem-signatures.ts';
import { changed, type Retry, soon } from './rows.ts';

const back = 'The change was rolled back. For the reason: journalctl -u containerd (with CRI-O: -u crio).';

export const codes = {
  ...artifactCodes,
  ...signatureCodes,
  ...fileCodes,
  ...clusterCodes,
  // host
  ...changed({
    'needs-root': 'Run it as root, with sudo for instance.',
    'bad-usage': 'See rcm-node help.',
    'unsupported-host': 'This host cannot be served; docs/distributions.md says why, and the way out.',
    'unsupported-runtime':
      'This version of the runtime or of its configuration is not known; update rcm-node.',
    'unsupported-handler':
      'The container runtime of this node cannot serve such a handler; use one that it can serve.',
    'unit-masked': 'Unmask the unit of the runtime: systemctl unmask containerd (with CRI-O: crio).',
  }),
  ...soon({
    'no-runtime':
      'Install and start containerd or CRI-O (unit containerd.service or crio.service), or set runtime.unit in /etc/rcm-node/config.toml.',
    'systemd-unreachable':
      'Check that dbus.socket is active. Without D-Bus, as on nodes of kind, systemd is asked at /run/systemd/private. Nothing is changed while systemd cannot be asked.',
    'runtime-unreachable':
      'Check the runtime: systemctl status containerd; journalctl -u containerd (with CRI-O: crio).',
  }),
  // judgement
  ...changed({
    'broken-config':
      'The runtime cannot read its own configuration, without anything of rcm-node in it: correct the file, then check it with containerd config dump (with CRI-O: crio config).',
    'cri-disabled': 'Remove "cri" from disabled_plugins; a drop-in cannot take it back.',
    'default-handler-lost':
      'Correct default_runtime_name (with CRI-O: default_runtime), or define the handler that it names.',
    shadowed: 'Remove the later definition, or move it before ours.',
    'owned-by-another':
      'Another program defines this handler; remove its definition, or give the shim another handler name. If it was runtime-class-manager, kwasm or knawd: rcm-node takeover.',
    copied: 'When you uninstall, remove the table from that file and restart the runtime.',
    'version-mix': 'Give every imported file the version of the main file.',
    'dangling-import': 'Remove the import or restore the file.',
    'would-change-others': 'The new configuration would change more than our handlers; nothing was written.',
    'cannot-splice': 'Write the affected table in plain [table] form, so that a block can follow it.',
    'generated-file':
      'Find the program that generates this file (its header names it), and configure that program to write the handlers.',
  }),
  // proof
  ...changed({
    'activation-failed': back,
    'not-served': back,
    'handler-lost': back,
    'not-ready': back,
    'not-started':
      'CRI lists the handler, but no Pod starts with it. For the error of the runtime: journalctl -u containerd (with CRI-O: -u crio); rcm-node verify.',
    'known-bad': 'This revision failed its proof before, and is not tried again until it changes.',
    'undo-failed':
      'The runtime is not healthy with its previous configuration either: journalctl -u containerd (with CRI-O: -u crio); rcm-node doctor.',
    'pods-may-end':
      'If it cannot be borne now, drain the node first. A prepared handler needs no restart: [runtime] prepare. docs/guarantees.md, "Restarts and Wasm shims".',
    'write-conflict': 'Another program keeps changing this file: stop that program, or stop rcm-node.',
  }),
  ...soon({
    'restart-budget':
      'The runtime was restarted often in the last hour, so this change waits; changes that need no restart continue. Raise restartsPerHour in /etc/rcm-node/config.toml, or do not wait: rcm-node once --force.',
  }),
  // state
  ...changed({
    'state-newer': 'A newer rcm-node wrote this state; install that version again.',
    'not-ours':
      'It was changed after rcm-node wrote it, so it is kept; remove it by hand if you do not need it.',
    'bad-settings':
      'Correct /etc/rcm-node/config.toml, or update rcm-node if the setting is newer than this version. For the defaults, remove the file.',
  }),
  ...soon({
    'state-damaged': 'A tick renames the damaged file, and finds on the disk which files rcm-node wrote.',
    locked: 'Another rcm-node process holds the lock on this host; wait for it, or stop it.',
    'handler-in-use': 'Pods use this handler; it is removed when they end. `--force` removes it now.',
    'host-stopping': 'The host shuts down; the change continues at the next boot.',
    internal: 'This is a bug in rcm-node; please report it with the output of rcm-node doctor --json.',
  }),
};

export type Code = keyof typeof codes;

/** A place in a file; `line` and `column` count from 1. */
export type Where = { readonly file: string; readonly line?: number; readonly column?: number };

export type Problem = {
  readonly code: Code;
  /** One sentence in our own words, without the place and without the hint: every user may read it. */
  readonly message: string;
  /** What another program printed or answered. It may quote secrets, so only root sees it: the journal, `doctor`. */
  readonly detail?: string;
  readonly where?: Where;
  /** The handler it concerns; absent when it concerns the node. */
  readonly handler?: string;
  /** A way out that is more exact than the one in the table. */
  readonly hint?: string;
};

/** Between a problem and its hint where both stand in one line. */
export const hintLead = 'what to do: ';
export const hintOf = (problem: Problem): string => problem.hint ?? codes[problem.code].hint;
export const retryOf = (problem: Problem): Retry => codes[problem.code].retry;

export const printWhere = (where: Where): string =>
  [where.file, where.line, where.line === undefined ? undefined : where.column]
    .filter((part) => part !== undefined)
    .join(':');

const control = /[\p{Cc}\u2028\u2029]+/gu;

/** One line without control characters, which would reach a terminal, and without credentials. */
const plain = (text: string): string => maskUrls(text.replace(control, ' '));

/** `file:line:column: handler: message`, on one line, for everyone; hint and detail are printed apart. */
export const printProblem = ({ where, handler, message }: Problem): string => {
  const whose = handler === undefined || message.includes(`"${handler}"`) ? '' : `${handler}: `;
  return plain(`${where ? `${printWhere(where)}: ` : ''}${whose}${message}`);
};

/** For root alone. */
export const printDetail = ({ detail }: Problem): string | undefined =>
  detail === undefined || detail === '' ? undefined : plain(detail);

/** What else the log has of a problem. */
export const logFields = (problem: Problem): Readonly<Record<string, string>> => {
  const detail = printDetail(problem);
  const former = formerCode(problem.code);
  return {
    code: problem.code,
    ...(former === undefined ? {} : { formerCode: former }),
    ...(problem.handler === undefined ? {} : { handler: problem.handler }),
    ...(detail === undefined ? {} : { detail }),
  };
};

/** As a part of another problem, whose own words say the rest. */
export const detailOf = (
  ...problems: readonly { readonly detail?: string | undefined }[]
): { detail?: string } => {
  const parts = [...new Set(problems.flatMap(({ detail }) => detail || []))];
  return parts.length === 0 ? {} : { detail: parts.join(' / ') };
};

/** The one error class: everything thrown on purpose is one of these. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly problem: Problem;

  constructor(problem: Problem, cause?: unknown) {
    super(printProblem(problem), cause === undefined ? undefined : { cause });
    this.problem = problem;
  }
}

/** What `work` gives, or what `otherwise` makes of the Problem that it throws; what was not foreseen stays thrown. */
export const recover = <T, U>(work: () => T, otherwise: (problem: Problem) => U): T | U => {
  try {
    return work();
  } catch (error) {
    if (error instanceof Failure) return otherwise(error.problem);
    throw error;
  }
};

/** Turns anything caught into a Problem; what was not foreseen becomes `internal`, and its text may quote anything. */
export const problemOf = (error: unknown): Problem => {
  if (error instanceof Failure) return error.problem;
  if (!(error instanceof Error))
    return { code: 'internal', message: 'an unforeseen error', detail: String(error) };
  const errno = 'code' in error && /^[A-Z][A-Z0-9_]{1,60}$/.test(String(error.code)) ? `, ${error.code}` : '';
  return { code: 'internal', message: `an unforeseen error (${error.name}${errno})`, detail: error.message };
};
