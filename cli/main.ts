/** The composition root: argv, environment and exit codes. What is large is loaded by the commands that need it. */
import { dirname, resolve } from 'node:path';
import { type Command, parseCommand } from './arguments.ts';
import { errorDocument, reportDocument, versionDocument } from './documents.ts';
import { needRoot } from './need-root.ts';
import { columns, json, out, paint } from './output.ts';
import { paintFor, printReport, printTrouble } from './print.ts';
import { paths } from '../protocol/host-paths.ts';
import { makeFiles } from '../host/files/files.ts';
import { keepPoolAwake } from '../host/thread-pool.ts';
import { exitCodeOf, exitCodes, parseReport, type Report } from '../daemon/model/outcome.ts';
import { Failure, type Problem, problemOf } from '../protocol/problem/problem.ts';
import { version } from '../protocol/version.ts';

const printVersion = (asJson: boolean): number => {
  if (asJson) json(versionDocument(exitCodes.settled, version, process.version, process.arch));
  else out(`rcm-node ${version}\n`);
  return exitCodes.settled;
};

const status = async (command: Command): Promise<number> => {
  const fact = await makeFiles(resolve(command.root)).look(paths.status);
  if (fact.kind !== 'regular') {
    // A boot and a service are of the running host alone.
    const [where, hint] =
      command.root === '/'
        ? ['on this host since it booted', 'systemctl status rcm-node; or run rcm-node once.']
        : [`in ${command.root}`, 'rcm-node once --root DIR writes it.'];
    throw new Failure({
      code: 'no-runtime',
      message: fact.kind === 'absent' ? `rcm-node has not run ${where}` : 'the status cannot be read',
      where: { file: paths.status },
      hint,
    });
  }
  const report = readReport(fact.text);
  const code = exitCodeOf(report);
  if (command.json) json(reportDocument('status', code, report));
  else out(printReport(report, paint, Date.now(), columns));
  return code;
};

/** Any damaged report is replaced by the next tick. */
const readReport = (text: string): Report => {
  try {
    return parseReport(text, paths.status);
  } catch (error) {
    const { message } = problemOf(error);
    throw new Failure(
      {
        code: 'state-damaged',
        message: `the status is not of this version of rcm-node: ${message}`,
        where: { file: paths.status },
        hint: 'The next tick writes it again: systemctl status rcm-node; or run rcm-node once.',
      },
      error,
    );
  }
};

/** Its output is the container's log, which is read while it runs: each line is written at once. */
const bootstrap = async (command: Command): Promise<number> => {
  const [{ bootstrap: work }, { realClock }] = await Promise.all([
    import('../bootstrap/main.ts'),
    import('../host/host.ts'),
  ]);
  if (!command.bootstrap) throw new Error('bootstrap without its options');
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const payload = dirname(process.execPath);
  // From the environment and not an argument: a kustomization that replaces the arguments must not lose it.
  const namespace = process.env.RCM_NODE_NAMESPACE || undefined;
  return work(command.bootstrap, { payload, version, namespace, clock: realClock, arch: process.arch, say });
};

/** Its output is the container's log, too. */
const controller = async (command: Command): Promise<number> => {
  const { controller: work } = await import('../controller/main.ts');
  if (!command.controller) throw new Error('controller without its options');
  const onStop = (stop: () => void): void => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
  };
  return work(command.controller, { version, write: out, onStop });
};

/** Examples and mirrors; without a Host, so that any user has them anywhere. */
const shim = async (command: Command): Promise<number> => {
  const { shim: work } = await import('./shims/shim.ts');
  const done = await work(command);
  return typeof done === 'string' ? usageError(done, command.json, command) : done;
};

const completion = async ({ verb }: Command): Promise<number> => {
  const { isShell, shells } = await import('./completion/shells.ts');
  if (!isShell(verb)) throw new Error('completion without its shell');
  out(shells[verb]());
  return exitCodes.settled;
};

const perform = async (command: Command): Promise<number> => {
  needRoot(command, process.getuid?.());
  if (command.name === 'version') return printVersion(command.json);
  if (command.name === 'status') return status(command);
  if (command.name === 'shim') return shim(command);
  if (command.name === 'completion') return completion(command);
  if (command.name === 'bootstrap') return bootstrap(command);
  if (command.name === 'controller') return controller(command);
  const { work } = await import('./commands.ts');
  return work[command.name](command);
};

/** `command`: what was understood of the command line; `name`: the command that it names, if more of it was not. */
const usageError = (message: string, asJson: boolean, command?: Command, name = command?.name): number => {
  const problem: Problem = {
    code: 'bad-usage',
    message,
    hint: name ? `See rcm-node help ${name}.` : 'See rcm-node help.',
  };
  if (asJson) json(errorDocument(command?.name ?? null, exitCodes.usage, problem));
  else process.stderr.write(`rcm-node: ${message} (${problem.code})\n${problem.hint}\n`);
  return exitCodes.usage;
};

const main = async (argv: readonly string[]): Promise<number> => {
  const parsed = parseCommand(argv);
  if (parsed.kind === 'help') {
    out(parsed.text);
    return exitCodes.settled;
  }
  if (parsed.kind === 'usage') return usageError(parsed.message, parsed.json, undefined, parsed.name);
  const { command } = parsed;
  // Otherwise a misspelt folder would be created and filled, and the command would succeed.
  if (!(await makeFiles('/').isFolder(resolve(command.root))))
    return usageError(`--root ${command.root}: there is no such folder`, command.json, command);
  try {
    return await perform(command);
  } catch (error) {
    const problem = problemOf(error);
    const code = problem.code === 'locked' ? exitCodes.pending : exitCodes.failed;
    if (command.json) json(errorDocument(command.name, code, problem));
    else
      process.stderr.write(
        printTrouble(
          problem,
          paintFor(process.stderr.isTTY === true, process.env.NO_COLOR, process.env.TERM),
        ),
      );
    return code;
  }
};

// Node calls its main thread "node-MainThread"; with this, ps, top and systemctl status show the program's name.
process.title = 'rcm-node';
keepPoolAwake();
// A closed pipe (`rcm-node plan | head`) is no error, and a full disk is one. The service continues without its log.
process.stdout.on('error', (error) => {
  const isClosed = 'code' in error && error.code === 'EPIPE';
  if (isClosed && ['run', 'bootstrap', 'controller'].includes(process.argv[2] ?? '')) return;
  if (!isClosed) process.stderr.write(`rcm-node: standard output cannot be written: ${error.message}\n`);
  process.exit(isClosed ? exitCodes.settled : exitCodes.failed);
});
// A closed standard error must not end a run between two steps.
process.stderr.on('error', () => undefined);
// The bundle is CommonJS, which has no await here; `main` never rejects.
void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
