/** Names on the host that are ours. Everything is below `root` (host/files/files.ts adds it); here it is always "/". */

export const paths = {
  settings: '/etc/rcm-node/config.toml',
  shims: '/etc/rcm-node/shims.d',
  /** The namespace of its cluster that rcm-node is in; bootstrap writes it. */
  namespace: '/etc/rcm-node/namespace',
  home: '/opt/rcm-node',
  store: '/opt/rcm-node/store',
  incoming: '/opt/rcm-node/store/.incoming',
  links: '/opt/rcm-node/shims',
  state: '/var/lib/rcm-node',
  /** The text of the last settings that were understood. */
  lastSettings: '/var/lib/rcm-node/last-good-config.toml',
  ledger: '/var/lib/rcm-node/ledger.json',
  journal: '/var/lib/rcm-node/journal.json',
  cluster: '/var/lib/rcm-node/cluster.json',
  /** For its temporary files: it is written without the lock, whose holder removes those beside the ledger. */
  clusterScratch: '/var/lib/rcm-node/.cluster',
  token: '/var/lib/rcm-node/identity/token',
  run: '/run/rcm-node',
  /** The service has run in this boot. */
  ran: '/run/rcm-node/ran',
  status: '/run/rcm-node/status.json',
  metrics: '/run/rcm-node/metrics.prom',
  lock: '/run/rcm-node/lock',
  trials: '/run/rcm-node/trials',
} as const;

/** In it OCI runtimes keep the state of their containers, where the configuration names a folder of each handler. */
export const ociStates = '/run/oci';

export const stablePath = (handler: string, binary: string): string => `${paths.links}/${handler}/${binary}`;

/**
 * Where a stable path leads. `launch/` holds the launcher of an OCI runtime that comes with libraries; everything else
 * is named directly.
 */
export const storePath = (key: string, binary: string, launched: boolean): string =>
  `${paths.store}/${key}/${launched ? 'launch/' : ''}${binary}`;

/** The key that a link's target belongs to; undefined when it leads out of the store. */
export const keyOfTarget = (target: string): string | undefined =>
  /^\/opt\/rcm-node\/store\/([0-9a-f]{64})\//.exec(target)?.[1];

export const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
export const fileOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Resolves `path` against `folder` and removes `.`, `..` and double slashes. */
export const resolvePath = (folder: string, path: string): string => {
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${folder}/${path}`).split('/'))
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  return `/${parts.join('/')}`;
};

/** systemd reads it, and names other files by it. */
export const isUnitFile = (path: string): boolean => /^\/(etc|run)\/systemd\/system\//.test(path);

/**
 * Go's filepath.Match, which runtimes use for import globs: `*` and `?` stop at "/", `[…]` is a class with `^`
 * for its negation, `\` quotes (https://pkg.go.dev/path/filepath#Match).
 */
export const globPattern = (glob: string): RegExp => {
  let source = '';
  for (let i = 0; i < glob.length; i++) {
    const char = glob.charAt(i);
    const close = char === '[' ? glob.indexOf(']', i + 2) : -1;
    if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (close > 0) {
      source += `[${glob.slice(i + 1, close).replace(/[\\[]/g, '\\$&')}]`;
      i = close;
    } else if (char === '\\' && i + 1 < glob.length) source += quote(glob.charAt(++i));
    else source += quote(char);
  }
  try {
    return new RegExp(`^${source}$`);
  } catch {
    // A range that runs backwards, [z-a], matches nothing in Go and is an error here.
    return /(?!)/;
  }
};

const quote = (char: string): string => char.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
