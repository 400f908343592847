/** The result of an uninstall: what was removed, what stays and why, and the commands that finish it; for people and --json. */
import { fileOf, folderOf, paths } from '../../protocol/host-paths.ts';
import type { Host } from '../../host/host.ts';
import type { Ledger } from '../model/ledger.ts';
import type { RuntimeFacts } from '../runtimes/facts.ts';
import { printWhere } from '../../protocol/problem/problem.ts';
import type { Ticked } from './once.ts';

export type Remains = {
  readonly path: string;
  readonly why: string;
  /** The command that removes it; absent if there is none. */
  readonly command?: string;
  /** It is ours, and a person must act or wait. Absent: it stays by design. */
  readonly open?: 'wrong' | 'waits';
};

/** What was not proven, because no runtime ran. */
export type Unproven = { readonly why: string; readonly command?: string };

const program = `${paths.home}/bin`;
const link = '/usr/local/bin/rcm-node';
const unit = '/etc/systemd/system/rcm-node.service';
/** Where there is no systemd to disable the unit: in an image. */
const enabled = '/etc/systemd/system/multi-user.target.wants/rcm-node.service';
const again = ({ root }: Host): string =>
  root === '/' ? 'rcm-node uninstall' : `rcm-node uninstall --root ${root}`;

/** Our content that could not be removed, from the last decision. */
export const stuck = (host: Host, { decision, ledger }: Ticked): readonly Remains[] =>
  decision.notes.flatMap(({ code, where, message }): readonly Remains[] => {
    if (!where) return [];
    const rest = { command: again(host), open: 'wrong' } as const;
    // Our programs stay for these: without them the runtime would serve handlers that cannot start a Pod.
    if (code === 'copied')
      return [
        {
          path: printWhere(where),
          why: 'another program wrote this table, and it leads to our program, which stays for it. Take the table out, restart the runtime, and run the uninstall again',
          ...rest,
        },
      ];
    // Files that the runtime no longer reads and that could not be restored.
    return where.file in ledger.files || code === 'not-ours'
      ? [{ path: where.file, why: message, ...rest }]
      : [];
  });

/** What a takeover removed does not come back, and what is still in use stays. */
export const afterTakeover = ({ takeover }: Ledger): readonly Remains[] => [
  ...(takeover?.done ?? []).map(({ file, handler, from }) => ({
    path: file,
    why: `the handler "${handler}" that ${from} had written was taken over, and is not written back`,
  })),
  ...(takeover?.remnants ?? []).map(({ path }) => ({
    path,
    why: 'an earlier installer left it; remove it when nothing uses it any more',
  })),
];

/** Our folders that are left after everything else was removed. */
export const filled = async (host: Host): Promise<readonly Remains[]> => {
  const rows: Remains[] = [];
  for (const path of [paths.links, paths.store, paths.state]) {
    if (!(await host.files.isFolder(path))) continue;
    const isEmpty = (await host.files.names(path).catch(() => null))?.length === 0;
    const isLink = (await host.files.linkAt(path)).target !== null;
    // An empty folder that could not be removed is one that a file system of others is mounted on (EBUSY).
    const why = isLink ? 'it is a link of others' : 'a file system is mounted on it';
    rows.push(
      isEmpty
        ? { path, why: `${why}, and nothing of ours is in it` }
        : {
            path,
            why: 'it is not empty: something in it is still in use, or not ours',
            command: again(host),
            open: 'waits',
          },
    );
  }
  return rows;
};

/** What is left on purpose. Commands are for the root of `--root`, never for the running host. */
export const byDesign = async ({ files, systemd }: Host): Promise<readonly Remains[]> => {
  const yours = 'it is yours: settings, and files that ask for handlers, are not removed';
  const rows: Remains[] = [];
  const command = `rm -r ${files.real(folderOf(paths.settings))}`;
  if (await files.stat(paths.settings)) rows.push({ path: paths.settings, why: yours, command });
  if (await files.isFolder(paths.shims)) rows.push({ path: paths.shims, why: yours, command });
  if (!(await files.isFolder(program))) return rows;
  if (await files.stat(`${program}/bootstrap.json`)) {
    const why = 'a Pod of the DaemonSet rcm-node-bootstrap placed this program, and takes it away, too';
    return [...rows, { path: program, why, command: 'kubectl apply -k bootstrap/uninstall/' }];
  }
  if (await files.isFolder(`${program}/versions/package`)) {
    // Removed by hand, the next upgrade of the package would bring it back, and its database would not know.
    const isDebian = Boolean(await files.stat('/var/lib/dpkg/info/rcm-node.list'));
    const why = 'a package of this host brought this program';
    return [
      ...rows,
      { path: program, why, command: `${isDebian ? 'apt-get purge' : 'dnf remove'} rcm-node` },
    ];
  }
  const hasUnit = Boolean(await files.stat(unit));
  // By their own names: rm of where they lead would fail, or remove something else.
  const named = (path: string): string => `${files.real(folderOf(path))}/${fileOf(path)}`;
  const links: string[] = [];
  for (const path of [enabled, link]) if ((await files.linkAt(path)).target !== null) links.push(named(path));
  const all = [files.real(program), ...(hasUnit ? [named(unit)] : []), ...links];
  const empty = ` && rmdir --ignore-fail-on-non-empty ${files.real(paths.home)}`;
  const reload = empty + (hasUnit && systemd ? ' && systemctl daemon-reload' : '');
  const rest = `rm -r ${all.join(' ')}${reload}`;
  return [...rows, { path: program, why: 'this program runs from there', command: rest }];
};

/** In this order, each once; commands to repeat come last. */
export const finishing = (given: {
  readonly left: readonly Remains[];
  readonly unproven: Unproven | undefined;
}): readonly string[] => {
  const all = [given.unproven?.command, ...given.left.map((one) => one.command)].filter(
    (one) => one !== undefined,
  );
  const isAgain = (command: string): boolean => command.startsWith('rcm-node ');
  return [...new Set([...all.filter((one) => !isAgain(one)), ...all.filter(isAgain)])];
};

/** Those of `all` that exist. */
export const folders = async ({ files }: Host, all: readonly string[]): Promise<readonly string[]> => {
  const there: string[] = [];
  for (const path of all) if (await files.isFolder(path)) there.push(path);
  return there;
};

/** Read before and after: entries that disappear in between were removed. */
export const ownedFolders = (host: Host, ledger: Ledger): Promise<readonly string[]> =>
  folders(host, [...ledger.folders, paths.links, paths.store, paths.state]);

/** What was removed, of the ledger entries and folders from before. */
export const removed = async (
  host: Host,
  ledger: Ledger,
  were: readonly string[],
): Promise<readonly string[]> => {
  const rows = Object.keys(ledger.handlers).map((name) => `the handler ${name}`);
  for (const path of Object.keys(ledger.files))
    rows.push((await host.files.stat(path)) ? `what was ours in ${path}` : path);
  const are = await folders(host, were);
  return [...rows, ...were.filter((path) => !are.includes(path))];
};

/** No process of it runs, so it has nothing of ours loaded. */
export const isDown = ({ unit }: RuntimeFacts): boolean => unit?.mainPid === 0;

/** A configuration was changed, and the runtime has not started since. */
export const unproven = ({ before, did }: Ticked, activated: boolean): Unproven | undefined => {
  const { runtime } = before;
  if (runtime.name === 'none')
    return { why: `${runtime.problem.message}: nothing reads the configuration, and nothing was proven` };
  if (activated || did.length === 0 || runtime.unit === undefined) return undefined;
  const { name, active, load } = runtime.unit;
  if (!isDown(runtime))
    return {
      why: `${name} was left alone: it has loaded what was ours, until it is restarted`,
      command: `systemctl restart ${name}`,
    };
  const unmask = load === 'masked' ? `systemctl unmask ${name} && ` : '';
  return {
    why: `${name} is ${load === 'masked' ? 'masked and ' : ''}${active}: it has not been started with the configuration as it is now`,
    command: `${unmask}systemctl start ${name}`,
  };
};
