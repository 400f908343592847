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
  failed: 'something is wrong; the output says what, and how to correct it',
  usage: 'the command line is wrong; nothing was read or changed',
  refused: 'nothing that was asked for can be done, and nothing was changed',
  pending: 'nothing is wrong, and there is work to do or something to wait for',
};

/** `short`: also one letter. Options without a value are switches. */
export const options = {
  root: { type: 'string' },
  'no-activate': { type: 'boolean' },
  json: { type: 'boolean' },
  force: { type: 'boolean' },
  deep: { type: 'boolean' },
  host: { type: 'string' },
  settings: { type: 'string' },
  token: { type: 'string' },
  uninstall: { type: 'boolean' },
  downgrade: { type: 'boolean' },
  apply: { type: 'boolean' },
  unused: { type: 'boolean' },
  to: { type: 'string' },
  credentials: { type: 'string' },
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
  'no-activate': ['--no-activate', 'write files and do not restart the runtime; its next start loads them'],
  json: ['--json', 'print one JSON document, whose fields are in docs/json.md'],
  force: [
    '--force',
    'remove handlers that Pods still use, retry what failed its proof, ignore the restart budget',
  ],
} as const satisfies Partial<Record<OptionName, OptionRow>>;

export type VerbRow = { readonly summary: string; readonly operand?: string };

export type CommandRow = {
  readonly summary: string;
  readonly options: Partial<Readonly<Record<OptionName, OptionRow>>>;
  /** One word behind the command, by its name in help, or several with "..." at its end; absent: there is none. */
  readonly operand?: string;
  /** The first word behind the command is one of these, and each may have an operand of its own. */
  readonly verbs?: Readonly<Record<string, VerbRow>>;
  /**
   * `change`: it changes the host. Otherwise the words that follow "It reads" in the refusal: what only root can
   * read. Absent: any user may run it.
   */
  readonly root?: 'change' | { readonly reads: string };
  readonly exits: readonly ExitName[];
};

const { root, json, force } = shared;
const changing = { root, 'no-activate': shared['no-activate'], json, force };

export const commands = {
  run: {
    summary: 'run as a service (what the systemd unit runs)',
    options: {},
    root: 'change',
    exits: ['settled', 'failed'],
  },
  once: {
    summary: 'bring this host to the desired state once, then exit',
    options: changing,
    root: 'change',
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  plan: {
    summary: 'print what `once` would do, in sentences and as a diff; change nothing',
    options: {
      ...changing,
      deep: [
        '--deep',
        'verify every byte of the store too, as `once` does and the service does once a `sweep`',
      ],
    },
    root: { reads: 'the ledger in /var/lib/rcm-node and the configuration of the runtime' },
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  status: {
    summary: 'show what is served, what is pending and what is wrong',
    options: { root, json },
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  retry: {
    summary: 'retry what failed for one handler: its download, or its proof; ignore the restart budget',
    options: { json },
    operand: 'HANDLER',
    root: 'change',
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  verify: {
    summary: 'start and remove a sandbox with each handler, or with one, to show that Pods start',
    options: { json },
    operand: '[HANDLER]',
    root: 'change',
    exits: ['settled', 'failed', 'pending'],
  },
  doctor: {
    summary: 'check for everything that can go wrong, and print what to do',
    options: { root, json },
    root: {
      reads: 'the ledger in /var/lib/rcm-node, the socket of the runtime and the credentials of the kubelet',
    },
    exits: ['settled', 'failed'],
  },
  uninstall: {
    summary: 'remove everything that rcm-node wrote, and restore what it changed',
    options: changing,
    root: 'change',
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  takeover: {
    summary:
      'show what earlier installers (runtime-class-manager, kwasm, knawd) left on this host, and what would replace it; with --apply, replace it',
    options: {
      apply: [
        '--apply',
        'serve their handlers from the store of rcm-node, and remove what nothing uses any more; remembered until it is done',
      ],
      unused: [
        '--unused',
        'remove their handlers, too, that no Shim asks for and no Pod uses; they stay otherwise',
      ],
      ...changing,
    },
    root: 'change',
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  bootstrap: {
    summary: 'install this program on a node and start its service (what the image runs)',
    options: {
      host: ['--host DIR', 'where the folders of the host are mounted; default /host'],
      settings: ['--settings DIR', 'where config.toml and *.toml for shims.d are mounted; default /config'],
      token: ['--token FILE', "this Pod's token, which becomes the node's identity (serviceaccount overlay)"],
      uninstall: ['--uninstall', 'remove rcm-node from the node when no Pod uses its handlers'],
      downgrade: ['--downgrade', 'replace a newer version'],
      force: ['--force', 'retry at once a build that did not start on this node before'],
    },
    exits: ['settled', 'failed', 'refused', 'pending'],
  },
  controller: {
    summary: 'control rollouts and manage RuntimeClasses of a cluster (what the Deployment runs)',
    options: {
      kubeconfig: [
        '--kubeconfig FILE',
        'credentials for the API server; default: the service account of this Pod',
      ],
      listen: ['--listen ADDR', 'HOST:PORT of /metrics; default :8080'],
      probes: ['--probes ADDR', 'HOST:PORT of /healthz and /readyz; default :8081'],
      namespace: [
        '--namespace NS',
        'namespace of its Lease; default: that of this Pod, or rcm-node outside of a Pod',
      ],
      knative: [
        '--knative',
        'allow a RuntimeClass in Knative services; without it, restore the former setting',
      ],
    },
    exits: ['settled', 'failed'],
  },
  shim: {
    summary:
      'examples of shims, to copy into shims.d and to complete; and a mirror for nodes without a network',
    options: {
      to: ['--to TARGET', 'of mirror: a folder, or oci://HOST/NAME; either may hold a mirror already'],
      credentials: [
        '--credentials FILE',
        'of mirror: for registries, as docker has them; for its owner alone',
      ],
      json,
    },
    verbs: {
      list: { summary: 'the name, version, state and purpose of each' },
      example: { operand: 'NAME', summary: 'one of them, as a file for /etc/rcm-node/shims.d' },
      mirror: {
        operand: 'FILE...',
        summary:
          'copy everything that Shims need, for all machines, into a folder or a registry, verified; FILE is a file of shims.d, a Shim in YAML, or - for standard input',
      },
    },
    exits: ['settled', 'failed'],
  },
  completion: {
    summary: 'print the completion of this program for a shell',
    options: {},
    verbs: {
      bash: { summary: 'for ~/.bashrc: source <(rcm-node completion bash)' },
      zsh: { summary: 'for ~/.zshrc, after compinit: source <(rcm-node completion zsh)' },
      fish: { summary: 'for ~/.config/fish/config.fish: rcm-node completion fish | source' },
    },
    exits: ['settled'],
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

/** The words behind a command, as help and documents show them. */
export const operandOf = ({ operand, verbs }: CommandRow): string | undefined =>
  verbs === undefined
    ? operand
    : Object.entries(verbs)
        .map(([verb, row]) => (row.operand === undefined ? verb : `${verb} ${row.operand}`))
        .join(' | ');

/** Options that help shows for all commands together. */
export const sharedOptions: readonly OptionRow[] = Object.values(shared);
