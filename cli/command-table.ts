/**
 * Every command in one place: what it is for, its options, what it needs root for, and with which exit codes it ends.
 * Help, the check of the command line and docs/cli.md follow this table; a new command is a row here and a
 * function in commands.ts.
 */
import type { exitCodes } from '../daemon/model/outcome.ts';

export type ExitName = keyof typeof exitCodes;

/** What each exit code says, whatever the command. */
export const exitMeanings: Readonly<Record<ExitName, string>> = {
  settled: 'nothing is wrong, and nothing is left to do',
  failed: 'something is wrong; it is named, with the way out',
  usage: 'the command line is wrong; nothing was looked at',
  refused: 'nothing that was asked for can be done, and nothing was changed',
  pending: 'nothing is wrong, and there is work to do or something to wait for',
};

/** `short`: also one letter. Options without a value are switches. */
export const options = {
  root: { type: 'string' },
  'no-activate': { type: 'boolean' },
  json: { type: 'boolean' },
  force: { type: 'boolean' },
  host: { type: 'string' },
  settings: { type: 'string' },
  token: { type: 'string' },
  uninstall: { type: 'boolean' },
  downgrade: { type: 'boolean' },
  kubeconfig: { type: 'string' },
  listen: { type: 'string' },
  probes: { type: 'string' },
  namespace: { type: 'string' },
  knative: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'V' },
} as const;

export type OptionName = keyof typeof options;

/** Name and value as help shows them, and what the option does. */
export type OptionRow = readonly [shown: string, what: string];

const shared = {
  root: ['--root DIR', 'work on the root file system in DIR (an image, a chroot); restarts nothing'],
  'no-activate': ['--no-activate', 'write files and leave the runtime alone; its next start loads them'],
  json: ['--json', 'print one JSON document, whose fields are in docs/json.md'],
  force: [
    '--force',
    'remove handlers that Pods still use, try again what failed its proof, ignore the restart budget',
  ],
} as const satisfies Partial<Record<OptionName, OptionRow>>;

export type CommandRow = {
  readonly summary: string;
  readonly options: Partial<Readonly<Record<OptionName, OptionRow>>>;
  /** One word behind the command, by its name in help; absent: there is none. */
  readonly operand?: string;
  /**
   * `change`: it changes the host. Otherwise the words that follow "It reads" in the refusal: what nobody but root can
   * read. Absent: any user may run it.
   */
  readonly root?: 'change' | { readonly reads: string };
  readonly exits: readonly ExitName[];
};

const { root, json, force } = shared;
const changing = { root, 'no-activate': shared['no-activate'], json, force };

export const commands = {
  run: {
    summary: 'serve for ever (what the systemd unit runs)',
    options: {},
    root: 'change',
    exits: ['settled', 'failed'],
  },
  once: {
    summary: 'bring this host to what is asked for, then end',
    options: changing,
    root: 'change',
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  plan: {
    summary: 'say what `once` would do, in sentences and as a diff; change nothing',
    options: changing,
    root: { reads: 'the ledger in /var/lib/rcm-node and the configuration of the runtime' },
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  status: {
    summary: 'show what is served, waited for and wrong',
    options: { root, json },
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  retry: {
    summary: 'try again what failed for one handler: its download, or its proof; no budget holds it back',
    options: { json },
    operand: 'HANDLER',
    root: 'change',
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  verify: {
    summary: 'start a sandbox with each handler, or with one, and remove it: does a Pod start?',
    options: { json },
    operand: '[HANDLER]',
    root: 'change',
    exits: ['settled', 'failed', 'pending'],
  },
  doctor: {
    summary: 'check everything that can go wrong, and say what to do',
    options: { root, json },
    root: {
      reads: 'the ledger in /var/lib/rcm-node, the socket of the runtime and the credentials of the kubelet',
    },
    exits: ['settled', 'failed'],
  },
  uninstall: {
    summary: 'take away everything that is ours, byte for byte',
    options: changing,
    root: 'change',
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  bootstrap: {
    summary: 'place this program on a node and start its service (what the image runs)',
    options: {
      host: ['--host DIR', "where the host's folders are mounted; /host when absent"],
      settings: [
        '--settings DIR',
        'where config.toml and *.toml for shims.d are mounted; /config when absent',
      ],
      token: ['--token FILE', "this Pod's token, which becomes the node's identity (serviceaccount overlay)"],
      uninstall: ['--uninstall', 'take rcm-node off the node, once no Pod uses its handlers'],
      downgrade: ['--downgrade', 'replace a newer version'],
      force: ['--force', 'try a build at once that did not come up on this node before'],
    },
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  controller: {
    summary: 'order rollouts and keep RuntimeClasses, for a whole cluster (what the Deployment runs)',
    options: {
      kubeconfig: [
        '--kubeconfig FILE',
        "how to reach the API server; this Pod's service account when absent",
      ],
      listen: ['--listen ADDR', 'HOST:PORT of /metrics; :8080 when absent'],
      probes: ['--probes ADDR', 'HOST:PORT of /healthz and /readyz; :8081 when absent'],
      namespace: [
        '--namespace NS',
        'where its Lease is; that of this Pod when absent, rcm-node outside of one',
      ],
      knative: [
        '--knative',
        "let Knative's services name a RuntimeClass; put back what was there when absent",
      ],
    },
    exits: ['settled', 'failed'],
  },
  version: { summary: 'print the version', options: { json }, exits: ['settled'] },
  help: {
    summary: 'print this text, or that of one command',
    options: {},
    operand: '[COMMAND]',
    exits: ['settled'],
  },
} as const satisfies Record<string, CommandRow>;

export type CommandName = keyof typeof commands;

export const rowOf = (name: CommandName): CommandRow => commands[name];

export const isCommand = (name: string): name is CommandName => Object.hasOwn(commands, name);

/** Options that help shows for all commands together. */
export const sharedOptions: readonly OptionRow[] = Object.values(shared);
