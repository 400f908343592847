/** The container runtime that is really running: binary, configuration and socket come from its unit, not from a guess. */
import { resolvePath } from '../decide/paths.ts';
import type { Host } from '../host/host.ts';
import { runningProgram } from '../host/processes.ts';
import type { CriFact, Observed, UnitFacts } from '../model/observed.ts';
import { detailOf, Failure, problemOf } from '../model/problem.ts';
import type { Settings } from '../model/settings.ts';
import { parseToml } from '../model/toml.ts';
import { configArgument, configVariable, defaults, socketIn } from '../runtimes/containerd.ts';
import { type ConfigTree, readTree } from './config-tree.ts';

export const observeRuntime = async (host: Host, settings: Settings): Promise<Observed['runtime']> => {
  let unit: UnitFacts | undefined;
  try {
    unit = await host.systemd?.unit(settings.unit);
  } catch (error) {
    return { name: 'none', problem: problemOf(error) };
  }
  if (unit?.load === 'not-found') return none(`there is no unit ${settings.unit}`);
  let binary: string | undefined;
  let configPath: string;
  try {
    binary = await findBinary(host, unit);
    const given =
      configArgument(unit?.execStart ?? []) ?? (await variable(host, unit)) ?? defaults.configPath;
    // The ledger takes paths without detours only; systemd starts its services in "/".
    configPath = resolvePath('/', given);
  } catch (error) {
    return { name: 'none', problem: problemOf(error) };
  }
  if (binary === undefined)
    return none(`containerd is not installed${host.root === '/' ? '' : ` below ${host.root}`}`);
  const tree = await readTree(host.files, configPath);
  const socket = socketOf(tree);
  const cri = host.systemd
    ? await askCri(host, socket)
    : { fact: { kind: 'silent', why: 'no runtime runs in this root' } as const, version: '' };
  const version = cri.version || (await versionOf(host, binary));
  return { name: 'containerd', version, binary, socket, configPath, unit, cri: cri.fact, ...tree };
};

const none = (message: string): Observed['runtime'] => ({
  name: 'none',
  problem: { code: 'no-runtime', message },
});

/** What root runs already, or what systemd would start: another user's file must not be run as root because of us. */
const findBinary = async (host: Host, unit: UnitFacts | undefined): Promise<string | undefined> => {
  const running = unit && unit.mainPid > 0 ? await runningProgram(host.files, unit.mainPid) : undefined;
  if (running !== undefined) return running;
  for (const path of [unit?.execStart[0], ...defaults.binaries]) {
    if (!path || !(await host.files.stat(path))) continue;
    await host.files.trust(path);
    return path;
  }
  return undefined;
};

const variable = async (host: Host, unit: UnitFacts | undefined): Promise<string | undefined> => {
  const rows = [...(unit?.environment ?? [])];
  for (const file of unit?.environmentFiles ?? []) {
    const fact = await host.files.lookTrusted(file.replace(/^-/, ''));
    if (fact.kind === 'regular')
      rows.push(
        ...fact.text.split('\n').map((row) => row.trim().replace(/^([A-Z_]+)=["'](.*)["']$/, '$1=$2')),
      );
  }
  return (
    rows.findLast((row) => row.startsWith(`${configVariable}=`))?.slice(configVariable.length + 1) ||
    undefined
  );
};

const socketOf = (tree: ConfigTree): string => {
  let socket: string = defaults.socket;
  for (const { path, fact } of tree.config) {
    if (fact.kind !== 'regular') continue;
    try {
      socket = socketIn(parseToml(fact.text, path)) ?? socket;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  return socket;
};

export const askCri = async (
  host: Host,
  socket: string,
): Promise<{ readonly fact: CriFact; readonly version: string }> => {
  const cri = host.cri(host.files.real(socket));
  try {
    const { version } = await cri.version();
    const status = await cri.status();
    const sandboxes = await cri.sandboxes();
    const fact: CriFact = {
      kind: 'answers',
      ready: status.runtimeReady,
      reason: status.reason,
      handlers: status.handlers,
      sandboxes: sandboxes.map(({ id, handler }) => ({ id, handler })),
    };
    return { fact, version: /^v?(\d+\.\d[\w.+~-]{0,60})$/.exec(version)?.[1] ?? '' };
  } catch (error) {
    const problem = problemOf(error);
    return { fact: { kind: 'silent', why: problem.message, ...detailOf(problem) }, version: '' };
  } finally {
    cri.close();
  }
};

/** An argv that runs a program of the root we work on. */
export const inRoot = (host: Host, argv: readonly [string, ...string[]]): readonly [string, ...string[]] =>
  host.root === '/' || host.systemd ? argv : ['chroot', host.root, ...argv];

const versionOf = async (host: Host, binary: string): Promise<string> => {
  const result = await host.tools.run(inRoot(host, [binary, '--version']), { deadlineMs: 10_000 });
  // "containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1+b1"
  return result.kind === 'ran' && result.code === 0
    ? (/\s[vV]?(\d+\.\d[\w.+~-]{0,60})(?:\s|$)/.exec(result.stdout)?.[1] ?? '')
    : '';
};
