/**
 * The program of the runtime and its configuration file: from ExecStart= of its unit, and on a running host from the process.
 * A command that cannot be followed is refused, or assumed with a note.
 */
import { matchesGlob } from 'node:path/posix';
import { fileOf, folderOf, resolvePath } from '../../../protocol/host-paths.ts';
import { defaultSearch, readService, type Service, startOf } from '../../../host/unit-file/service-unit.ts';
import { lookThrough, type Seen, type Start, throughScript } from '../../../host/unit-file/start.ts';
import type { Host } from '../../../host/host.ts';
import { findRunning, type Running } from '../../../host/processes/main-process.ts';
import { runningProgram } from '../../../host/processes/processes.ts';
import { findUnit } from '../../../host/systemd/unit-search.ts';
import { type Environment, environmentIn } from '../../../host/unit-file/environment.ts';
import { Failure, type Problem } from '../../../protocol/problem/problem.ts';
import type { UnitFacts } from '../../../host/facts.ts';
import type { ConfigSource } from '../../runtimes/facts.ts';
import type { Runtime } from '../../runtimes/runtime.ts';

export type Launch = {
  readonly binary: string;
  readonly config: ConfigSource;
  /** Notes about assumptions. */
  readonly notes: readonly Problem[];
};

/** The largest start script; larger files are programs. */
const mostScriptBytes = 64 * 1024;
const mostScripts = 4;

/** Undefined without such a runtime. Throws the Failure for a command that cannot be followed, or must not be trusted. */
export const launchOf = async (
  host: Host,
  runtime: Runtime,
  name: string,
  unit: UnitFacts | undefined,
): Promise<Launch | undefined> => {
  const service = host.systemd ? serviceOf(unit) : await serviceIn(host, name);
  const main = unit && unit.mainPid > 0 ? await runningOf(host, runtime, unit.mainPid) : undefined;
  if (!service) return assumed(host, runtime, name, main);
  const start = startOf(service, await environmentFiles(host, service));
  const seen = await follow(host, runtime, service, start);
  // A wrapper shell that has not started the runtime yet is no runtime.
  const isDirect = seen.kind === 'program' && seen.start.program === start.program;
  const running = main && (isDirect || runtime.isProgram(main.name)) ? main : undefined;
  // The unit tells what the next start reads; the process tells what the unit does not show.
  const isSure = seen.kind === 'program' && seen.start.unset.length === 0;
  if (!isSure && running) return { binary: running.program, config: configOf(runtime, running), notes: [] };
  if (seen.kind === 'unclear')
    throw new Failure({
      code: 'unclear-start',
      message: `${name} starts ${runtime.name} by ${seen.why}: which configuration it reads cannot be seen`,
      ...(unit && unit.fragment !== '' ? { where: { file: unit.fragment } } : {}),
    });
  const binary = running?.program ?? (await place(host, service, seen.start));
  if (binary === undefined)
    throw new Failure({
      code: 'no-runtime',
      message: `${name} starts ${seen.start.program}, which is not there`,
    });
  return {
    binary,
    config: configOf(runtime, seen.start, running?.environment),
    notes: seen.start.unset.map((variable) => ({
      code: 'assumed-start',
      message: `${name} asks for the variable ${variable}, which neither the unit nor its files set: it is taken for empty`,
      hint: 'Set it in the unit (Environment=, EnvironmentFile=), or take it out of ExecStart=.',
    })),
  };
};

/** A unit that systemd has loaded; a masked unit has no command. */
const serviceOf = (unit: UnitFacts | undefined): Service | undefined => {
  const [first] = unit?.execStart ?? [];
  const program = unit?.program ?? first;
  if (!unit || program === undefined) return undefined;
  return {
    command: { program, argv: unit.execStart, expands: unit.verbatim !== true },
    environment: unit.environment,
    environmentFiles: unit.environmentFiles.map((path) => ({ path: path.replace(/^-/, ''), optional: true })),
    passed: unit.passed ?? [],
    removed: unit.removed ?? [],
    cwd: unit.cwd ?? '/',
    search: defaultSearch,
  };
};

/** In a root without a running systemd; undefined if the root has no such unit. */
const serviceIn = async (host: Host, name: string): Promise<Service | undefined> => {
  const found = await findUnit(host.files, name);
  if (found.kind === 'absent') return undefined;
  if (found.kind === 'masked')
    throw new Failure({
      code: 'unit-masked',
      message: `${name} is masked in this root; it would not start`,
      where: { file: found.path },
      hint: `systemctl --root=${host.root} unmask ${name}`,
    });
  return readService(found.name, found.files);
};

/** Without a unit: the paths of distribution packages, with a note. */
const assumed = async (
  host: Host,
  runtime: Runtime,
  name: string,
  running: RunningProgram | undefined,
): Promise<Launch | undefined> => {
  if (running) return { binary: running.program, config: configOf(runtime, running), notes: [] };
  const { binaries, configPath } = runtime.usual;
  for (const binary of binaries) {
    if (!(await host.files.stat(binary))) continue;
    await host.files.trust(binary);
    const message = `there is no unit ${name} in this root: ${binary} and ${configPath} are assumed to be the runtime's`;
    const note: Problem = { code: 'assumed-start', message };
    return { binary, config: runtime.configOf([]), notes: host.systemd ? [] : [note] };
  }
  return undefined;
};

type RunningProgram = Running & { readonly program: string };

const runningOf = async (
  host: Host,
  { isProgram }: Runtime,
  mainPid: number,
): Promise<RunningProgram | undefined> => {
  const proc = host.files.real('/proc');
  const running = await findRunning(mainPid, isProgram, proc, host.root);
  if (!running) return undefined;
  const program = await runningProgram(host.files, running.pid);
  return program === undefined ? undefined : { ...running, program };
};

type Followed = Exclude<Seen, { kind: 'script' }>;

/** Follows wrappers, and scripts that root owns. */
const follow = async (
  host: Host,
  { isProgram }: Runtime,
  service: Service,
  start: Start,
): Promise<Followed> => {
  let seen = lookThrough(start, isProgram);
  for (let scripts = 0; scripts < mostScripts && seen.kind !== 'unclear'; scripts++) {
    const path: string | undefined = await find(host, service, seen.start);
    const text = path === undefined ? undefined : await scriptAt(host, path);
    if (text === undefined || path === undefined) break;
    seen = throughScript(text, { ...seen.start, program: path }, isProgram);
  }
  if (seen.kind === 'unclear') return seen;
  const { program } = seen.start;
  if (seen.kind === 'script') return { kind: 'unclear', why: `${program}, a script that cannot be read` };
  const isOther = program !== start.program && !isProgram(program);
  return isOther ? { kind: 'unclear', why: `a command that ends in ${program}` } : seen;
};

const scriptAt = async (host: Host, path: string): Promise<string | undefined> => {
  const facts = await host.files.stat(path);
  if (!facts || facts.bytes > mostScriptBytes) return undefined;
  const fact = await host.files.lookTrusted(path);
  return fact.kind === 'regular' && fact.text.startsWith('#!') ? fact.text : undefined;
};

/** A name without a path is searched in the $PATH of the unit or of the wrapper. */
const find = async (host: Host, service: Service, start: Start): Promise<string | undefined> => {
  const { program, cwd } = start;
  const folders = start.environment.get('PATH')?.split(':') ?? service.search;
  const paths = program.includes('/')
    ? [resolvePath(cwd, program)]
    : folders.map((folder) => resolvePath(folder, program));
  for (const path of paths) if (await host.files.stat(path)) return path;
  return undefined;
};

/** Root must not run a file of another user. */
const place = async (host: Host, service: Service, start: Start): Promise<string | undefined> => {
  const path = await find(host, service, start);
  if (path !== undefined) await host.files.trust(path);
  return path;
};

type Given = {
  readonly argv: readonly string[];
  readonly environment: Environment | undefined;
  readonly cwd: string;
};

/** The ledger accepts only normalized paths; systemd starts services in "/". `inherited`: from the service manager. */
const configOf = (
  runtime: Runtime,
  { argv, environment, cwd }: Given,
  inherited?: Environment,
): ConfigSource => {
  const { main, folder, ...more } = runtime.configOf(argv, environment, inherited);
  const full = folder === undefined ? {} : { folder: resolvePath(cwd, folder) };
  return { main: resolvePath(cwd, main), ...full, ...more };
};

const environmentFiles = async (
  host: Host,
  service: Service,
): Promise<readonly (readonly [string, string])[]> => {
  const rows: (readonly [string, string])[] = [];
  for (const { path, optional } of service.environmentFiles)
    for (const file of await expand(host, path)) {
      const fact = await host.files.lookTrusted(file);
      if (fact.kind === 'regular') rows.push(...environmentIn(fact.text));
      else if (fact.kind === 'unreadable' || (!optional && !host.systemd))
        throw new Failure({
          code: 'unclear-start',
          message: `the unit’s EnvironmentFile= cannot be read: ${fact.kind === 'unreadable' ? fact.why : 'there is no such file'}`,
          where: { file },
        });
    }
  return rows;
};

const expand = async (host: Host, path: string): Promise<readonly string[]> => {
  if (!/[*?[]/.test(path)) return [path];
  await host.files.trust(folderOf(path));
  const names = (await host.files.names(folderOf(path))) ?? [];
  return names.filter((name) => matchesGlob(name, fileOf(path))).map((name) => `${folderOf(path)}/${name}`);
};
