/**
 * The command and environment of a service, from its unit file and its drop-ins, merged as by systemd: later lines after
 * earlier ones, and an empty value resets a list.
 * https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html, systemd.exec.html
 */
import { assignmentOf, expandArguments } from './environment.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import {
  type Assignment,
  assignmentsIn,
  type Command,
  commandsIn,
  specifiersOf,
  withSpecifiers,
  wordsOf,
} from './systemd-text.ts';
import type { Start } from './start.ts';

export type UnitFile = { readonly path: string; readonly text: string };

export type EnvironmentFile = {
  /** May be a pattern. */
  readonly path: string;
  /** With "-": it may be missing. */
  readonly optional: boolean;
};

/** The same type for a unit of a running systemd, and for unit files of a tree. */
export type Service = {
  readonly command: Command;
  /** `NAME=value` */
  readonly environment: readonly string[];
  readonly environmentFiles: readonly EnvironmentFile[];
  /** Names whose value is the service manager's, which is unknown here. */
  readonly passed: readonly string[];
  /** Names, or `NAME=value`. */
  readonly removed: readonly string[];
  readonly cwd: string;
  /** Folders for a program without a path. */
  readonly search: readonly string[];
};

/** systemd's own; "/sbin" and "/bin" are links nearly everywhere. */
export const defaultSearch = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

type Line = Assignment & { readonly file: string };

const broken = (line: Pick<Line, 'file' | 'line'>, message: string): Failure =>
  new Failure({ code: 'unclear-start', message, where: { file: line.file, line: line.line } });

/** Throws `unclear-start` if systemd would not start it, or if it depends on unknown values. */
export const readService = (unit: string, files: readonly UnitFile[]): Service => {
  const lines: readonly Line[] = files.flatMap(({ path, text }) =>
    assignmentsIn(text).map((one) => ({ ...one, file: path })),
  );
  const specifiers = specifiersOf(unit);
  const specify = (text: string): string | undefined => withSpecifiers(text, specifiers);
  const own = lines.filter((line) => line.section === 'Service');
  /** The effective values: those after the last empty one. */
  const list = (key: string): readonly Line[] => {
    const all = own.filter((line) => line.key === key);
    return all.slice(all.findLastIndex((line) => line.value === '') + 1);
  };
  const last = (key: string): Line | undefined => own.findLast((line) => line.key === key);
  /** One value as a whole, specifiers replaced. */
  const known = (line: Line, text = line.value): string => {
    const said = specify(text);
    if (said === undefined) throw broken(line, `what "${text}" stands for is not known here`);
    return said;
  };
  const words = (key: string): readonly string[] =>
    list(key).flatMap((line) => (wordsOf(line.value) ?? []).map((word) => known(line, word)));

  for (const key of ['RootDirectory', 'RootImage']) {
    const line = last(key);
    if (line && line.value !== '' && line.value !== '/')
      throw broken(
        line,
        `the runtime runs in a root of its own (${key}=${line.value}), which is not supported`,
      );
  }
  const started = list('ExecStart').map((line) => ({ line, commands: commandsIn(line.value, specify) }));
  const commands = started.flatMap(({ line, commands: one }) => {
    if (one.kind === 'broken') throw broken(line, `ExecStart= cannot be followed: ${one.why}`);
    return one.list.map((command) => ({ command, line }));
  });
  const end = commands.at(-1);
  if (!end)
    throw new Failure({
      code: 'unclear-start',
      message: `${unit} starts nothing: it has no ExecStart=`,
      where: { file: files[0]?.path ?? unit },
    });
  if (commands.length > 1 && last('Type')?.value !== 'oneshot')
    throw broken(
      end.line,
      'systemd refuses the unit: it has more than one ExecStart= (an empty one before takes the others back)',
    );
  const folder = last('WorkingDirectory');
  const cwd = folder && folder.value !== '' ? known(folder).replace(/^-/, '').replace(/^~$/, '/root') : '/';
  const search = list('ExecSearchPath').flatMap((line) => known(line).split(':'));
  return {
    command: end.command,
    environment: words('Environment'),
    environmentFiles: list('EnvironmentFile').map((line) => {
      const path = known(line);
      return { path: path.replace(/^-/, ''), optional: path.startsWith('-') };
    }),
    passed: words('PassEnvironment'),
    removed: words('UnsetEnvironment'),
    cwd,
    search: search.length > 0 ? search : defaultSearch,
  };
};

/** `fromFiles`: what the files of EnvironmentFile= set, in their order. They win over Environment=. */
export const startOf = (service: Service, fromFiles: readonly (readonly [string, string])[]): Start => {
  const environment = new Map<string, string>([['PATH', service.search.join(':')]]);
  for (const [name, value] of [
    ...service.environment.flatMap((text) => {
      const assignment = assignmentOf(text);
      return assignment ? [assignment] : [];
    }),
    ...fromFiles,
  ])
    environment.set(name, value);
  for (const text of service.removed) {
    const [name, value] = assignmentOf(text) ?? [text];
    if (value === undefined || environment.get(name) === value) environment.delete(name);
  }
  const { command, cwd } = service;
  const { argv, unset } = command.expands
    ? expandArguments(command.argv, environment)
    : { argv: command.argv, unset: [] };
  const passed = service.passed.filter((name) => !environment.has(name));
  return { program: command.program, argv, environment, cwd, unset: [...new Set([...unset, ...passed])] };
};
