/** The command line: argv in, one `Command` or a usage error out. */
import { parseArgs } from 'node:util';

export const commands = {
  run: 'serve for ever (what the systemd unit runs)',
  once: 'bring this host to what is asked for, then end',
  plan: 'say what `once` would do, in sentences and as a diff; change nothing',
  status: 'show what is served, waited for and wrong',
  doctor: 'check everything that can go wrong, and say what to do',
  uninstall: 'take away everything that is ours, byte for byte',
  bootstrap: 'place this program on a node and start its service (what the image runs)',
  controller: 'order rollouts and keep RuntimeClasses, for a whole cluster (what the Deployment runs)',
  version: 'print the version',
} as const;

export type CommandName = keyof typeof commands;

export type Command = {
  readonly name: CommandName;
  readonly root: string;
  readonly activate: boolean;
  readonly json: boolean;
  readonly force: boolean;
  /** Of `bootstrap` alone. */
  readonly bootstrap?: {
    readonly host: string;
    readonly settings: string;
    readonly token?: string;
    readonly uninstall: boolean;
    readonly downgrade: boolean;
    readonly force: boolean;
  };
  /** Of `controller` alone. */
  readonly controller?: {
    readonly kubeconfig?: string;
    readonly listen: string;
    readonly probes: string;
    readonly namespace?: string;
    readonly knative: boolean;
  };
};

export type Parsed =
  | { readonly kind: 'command'; readonly command: Command }
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'usage'; readonly message: string };

const options = {
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

const allowed: Readonly<Record<CommandName, readonly (keyof typeof options)[]>> = {
  run: [],
  once: ['root', 'no-activate', 'json', 'force'],
  plan: ['root', 'no-activate', 'json', 'force'],
  status: ['root', 'json'],
  doctor: ['root', 'json'],
  uninstall: ['root', 'no-activate', 'json', 'force'],
  bootstrap: ['host', 'settings', 'token', 'uninstall', 'downgrade', 'force'],
  controller: ['kubeconfig', 'listen', 'probes', 'namespace', 'knative'],
  version: ['json'],
};

const optionHelp: Readonly<Record<string, string>> = {
  root: '--root DIR       work on the root file system in DIR (a mounted image, a chroot); nothing is restarted',
  'no-activate': '--no-activate    write files, leave the runtime alone; its next start loads them',
  json: '--json           print JSON for machines; stable within a major version',
  force:
    '--force          remove handlers that Pods still use, retry a revision that failed its proof, ignore the restart budget',
};

/** Shown by `rcm-node bootstrap --help` alone: a person on a node has no use for them. */
const bootstrapHelp: Readonly<Record<string, string>> = {
  host: "--host DIR       where the host's folders are mounted; /host when absent",
  settings: '--settings DIR   where config.toml and *.toml for shims.d are mounted; /config when absent',
  token: "--token FILE     this Pod's token, which becomes the node's identity (serviceaccount overlay)",
  uninstall: '--uninstall      take rcm-node off the node, once no Pod uses its handlers',
  downgrade: '--downgrade      replace a newer version',
  force: '--force          try a build at once that did not come up on this node before',
};

/** As these: it runs in a Pod, whose manifest is the one place where they are written. */
const controllerHelp: Readonly<Record<string, string>> = {
  kubeconfig: "--kubeconfig FILE   how to reach the API server; this Pod's service account when absent",
  listen: '--listen ADDR       HOST:PORT of /metrics; :8080 when absent',
  probes: '--probes ADDR       HOST:PORT of /healthz and /readyz; :8081 when absent',
  namespace: '--namespace NS      where its Lease is; that of this Pod when absent, rcm-node outside of one',
  knative:
    "--knative           let Knative's services name a RuntimeClass; put back what was there when absent",
};

const ownHelp: Partial<Readonly<Record<CommandName, Readonly<Record<string, string>>>>> = {
  bootstrap: bootstrapHelp,
  controller: controllerHelp,
};

export const usage = `rcm-node: makes this node's container runtime serve the handlers it is asked for

Usage: rcm-node COMMAND [OPTIONS]

Commands:
${Object.entries(commands)
  .map(([name, what]) => `  ${name.padEnd(12)}${what}`)
  .join('\n')}

Options:
${Object.values(optionHelp)
  .map((row) => `  ${row}`)
  .join('\n')}
  -h, --help       this text, or that of one command
  -V, --version    print the version

Exit codes:
  0  settled, or converged by this run      3  refused: nothing was changed
  1  failed                                 4  pending: there is work, or it waits
  2  usage

Files:
  /etc/rcm-node/shims.d/*.toml   what shall be served, one shim a file
  /etc/rcm-node/config.toml      settings and this node's own policy
  /run/rcm-node/status.json      what the last tick came to
`;

const helpOf = (name: CommandName): string => `rcm-node ${name}: ${commands[name]}

Usage: rcm-node ${name}${allowed[name].length > 0 ? ' [OPTIONS]' : ''}
${allowed[name].length > 0 ? `\nOptions:\n${allowed[name].map((option) => `  ${(ownHelp[name] ?? optionHelp)[option]}`).join('\n')}\n` : ''}`;

export const parseCommand = (argv: readonly string[]): Parsed => {
  let parsed: { values: Record<string, string | boolean | undefined>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    return {
      kind: 'usage',
      message: error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error),
    };
  }
  const { values, positionals } = parsed;
  const [name, ...rest] = positionals;
  if (name === undefined) {
    if (values.version)
      return {
        kind: 'command',
        command: { name: 'version', root: '/', activate: false, json: values.json === true, force: false },
      };
    return values.help ? { kind: 'help', text: usage } : { kind: 'usage', message: 'a command is missing' };
  }
  if (!Object.hasOwn(commands, name))
    return { kind: 'usage', message: `"${name}" is no command; known: ${Object.keys(commands).join(', ')}` };
  const command = name as CommandName;
  if (values.help) return { kind: 'help', text: helpOf(command) };
  if (rest.length > 0) return { kind: 'usage', message: `"${rest[0]}" is one argument too many` };
  const odd = Object.keys(values).find(
    (option) => option !== 'help' && !allowed[command].includes(option as keyof typeof options),
  );
  if (odd) return { kind: 'usage', message: `--${odd} does not go with "${command}"` };
  const root = typeof values.root === 'string' ? values.root : '/';
  if (root === '') return { kind: 'usage', message: '--root needs a folder' };
  const empty = ['kubeconfig', 'listen', 'probes', 'namespace'].find((option) => values[option] === '');
  if (empty) return { kind: 'usage', message: `--${empty} needs a value` };
  const text = (name: string, absent: string): string => {
    const value = values[name];
    return typeof value === 'string' && value !== '' ? value : absent;
  };
  return {
    kind: 'command',
    command: {
      name: command,
      root,
      activate: values['no-activate'] !== true && root === '/',
      json: values.json === true,
      force: values.force === true,
      ...(command === 'bootstrap'
        ? {
            bootstrap: {
              host: text('host', '/host'),
              settings: text('settings', '/config'),
              ...(typeof values.token === 'string' ? { token: values.token } : {}),
              uninstall: values.uninstall === true,
              downgrade: values.downgrade === true,
              force: values.force === true,
            },
          }
        : {}),
      ...(command === 'controller'
        ? {
            controller: {
              ...(typeof values.kubeconfig === 'string' ? { kubeconfig: values.kubeconfig } : {}),
              listen: text('listen', ':8080'),
              probes: text('probes', ':8081'),
              ...(typeof values.namespace === 'string' ? { namespace: values.namespace } : {}),
              knative: values.knative === true,
            },
          }
        : {}),
    },
  };
};
