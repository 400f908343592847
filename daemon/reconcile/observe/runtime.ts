/** The container runtime that really runs: binary, configuration and socket from its unit, without a guess. */
import type { Host } from '../../../host/host.ts';
import type { Observed } from '../../decide/observed.ts';
import {
  type ConfigFile,
  type ConfigPlace,
  type CriFact,
  type Needed,
  placeOfStart,
  withGiven,
} from '../../runtimes/facts.ts';
import { placeOf } from '../../runtimes/place.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import { detailOf, problemOf } from '../../../protocol/problem/problem.ts';
import type { Settings } from '../../model/settings.ts';
import { isProof, proofKeys } from '../../model/start.ts';
import { readTree } from './config-files.ts';
import type { UnitFacts } from '../../../host/facts.ts';
import { type Launch, launchOf } from './launch.ts';
import { launchBy } from './launch-by.ts';
import { withHandlers } from './sandbox-handlers.ts';
import { type Chosen, whichRuntime } from './which.ts';

export const observeRuntime = async (host: Host, settings: Settings): Promise<Observed['runtime']> => {
  let chosen: Chosen;
  let unit: UnitFacts | undefined;
  try {
    chosen = await whichRuntime(host, settings);
    unit = chosen.facts ?? (await host.systemd?.unit(chosen.unit));
  } catch (error) {
    return { name: 'none', problem: problemOf(error) };
  }
  const { row, unit: name, distro } = chosen;
  if (unit?.load === 'not-found') return none(`there is no unit ${name}`);
  let launch: Launch | undefined;
  try {
    launch = distro?.runner
      ? await launchBy(host, row, distro.runner, unit)
      : await launchOf(host, row, name, unit);
  } catch (error) {
    return { name: 'none', problem: problemOf(error) };
  }
  if (launch === undefined)
    return none(`${row.name} is not installed${host.root === '/' ? '' : ` below ${host.root}`}`);
  const { binary, config, notes } = launch;
  const tree = await readTree(host.files, row, config);
  const { main, folder, ...above } = config;
  let ours: ConfigPlace | undefined;
  try {
    ours = placeOf(
      distro?.placing,
      tree.config.find(({ path }) => path === main),
    );
  } catch (error) {
    const problem = problemOf(error);
    const isGone = !unit || unit.active === 'inactive' || problem.code !== 'no-runtime';
    return { name: 'none', problem: isGone ? problem : { ...problem, code: 'runtime-unreachable' } };
  }
  const read = withGiven(tree.config, { ...above, place: placeOfStart({ unit, configPath: main }) });
  const missing = await missingOf(host, row, read);
  const socket = row.socketOf(read);
  const cri = host.systemd
    ? await askCri(host, socket, row)
    : { fact: { kind: 'silent', why: 'no runtime runs in this root' } as const, version: '' };
  const version = cri.version || (await versionOf(host, binary));
  const place = { configPath: main, ...(folder ? { configFolder: folder } : {}), ...above };
  const facts = {
    version,
    binary,
    socket,
    ...place,
    ...(distro ? { distro: distro.name } : {}),
    ...(ours ? { place: ours } : {}),
    unit,
    cri: cri.fact,
    ...tree,
    ...(missing.length > 0 ? { missing } : {}),
  };
  return { name: row.name, ...facts, ...(notes.length > 0 ? { notes } : {}) };
};

export const missingOf = async (
  { files }: Pick<Host, 'files'>,
  row: Runtime,
  config: readonly ConfigFile[],
): Promise<readonly Needed[]> => {
  const missing: Needed[] = [];
  for (const one of row.needed(config)) {
    const found = await Promise.all(one.places.map((place) => files.stat(place)));
    if (found.every((facts) => !facts)) missing.push(one);
  }
  return missing;
};

const none = (message: string): Observed['runtime'] => ({
  name: 'none',
  problem: { code: 'no-runtime', message },
});

export const askCri = async (
  host: Host,
  socket: string,
  row: Pick<Runtime, 'handlerOfSandbox' | 'handlerKeys'> = {},
): Promise<{ readonly fact: CriFact; readonly version: string }> => {
  const cri = host.cri(host.files.real(socket));
  try {
    const [{ version }, status, sandboxes] = await Promise.all([
      cri.version(),
      cri.status(),
      cri.sandboxes([...proofKeys, ...(row.handlerKeys ?? [])]),
    ]);
    const fact: CriFact = {
      kind: 'answers',
      ready: status.runtimeReady,
      reason: status.reason,
      handlers: status.handlers,
      sandboxes: await withHandlers(
        host,
        cri,
        row,
        sandboxes.filter((one) => !isProof(one)),
      ),
      proofs: sandboxes.filter(isProof).map(({ id }) => id),
    };
    return { fact, version: /^v?(\d+\.\d[\w.+~-]{0,60})$/.exec(version)?.[1] ?? '' };
  } catch (error) {
    const problem = problemOf(error);
    return { fact: { kind: 'silent', why: problem.message, ...detailOf(problem) }, version: '' };
  } finally {
    cri.close();
  }
};

/** An argv that runs a program of `root`. */
export const inRoot = (host: Host, argv: readonly [string, ...string[]]): readonly [string, ...string[]] =>
  host.root === '/' || host.systemd ? argv : ['chroot', host.root, ...argv];

const versionOf = async (host: Host, binary: string): Promise<string> => {
  const result = await host.tools.run(inRoot(host, [binary, '--version']), { deadlineMs: 10_000 });
  // The name, the repository or none, and the version: "NAME github.com/x/y 1.7.24~ds1 1.7.24~ds1+b1".
  return result.kind === 'ran' && result.code === 0
    ? (/\s[vV]?(\d+\.\d[\w.+~-]{0,60})(?:\s|$)/.exec(result.stdout)?.[1] ?? '')
    : '';
};
