/** What a decision needs of CRI-O's configuration: its text without ours, our part, and what forbids a change. */
import type { FileFact } from '../../../host/facts.ts';
import { digestOf } from '../../../protocol/digest.ts';
import { paths } from '../../../protocol/host-paths.ts';
import { Failure, type Problem } from '../../../protocol/problem/problem.ts';
import type { Prepared } from '../../model/desired.ts';
import type { Ledger, OwnedFile } from '../../model/ledger.ts';
import { printTable, tableAt } from '../../toml/compare.ts';
import { placeOfStart, type RuntimeFacts } from '../facts.ts';
import { refuseForeignDropIn } from '../foreign-drop-in.ts';
import { copiesIn, namedIn } from '../named.ts';
import { ownerIn, type Parsed, parseConfig, whereIn } from '../parsed.ts';
import type { Runtime, Tables, Target, WantedFile, Wiring } from '../runtime.ts';
import { verdict } from './check.ts';
import {
  allowedFor,
  annotationsOf,
  builtIn,
  handlersIn,
  handlerTable,
  isOurs,
  runtimesPath,
} from './config.ts';
import { header } from '../own-header.ts';
import { dropInPath, isOurDropIn, mayBeDropIn, meaningOf } from './drop-in.ts';
import { inheritedFrom, requiredOf } from './default-handler.ts';
import { faultOf, twiceFault } from './faults.ts';
import { lowered } from './lowered.ts';
import { trialId, trialOf } from './trial.ts';

/** The oldest minor version that starts although it cannot serve a handler, and leaves only that one out. */
const oldest = 21;

export const targetOf: Runtime['target'] = (facts, files, ledger): Target => {
  refuseUnknown(facts);
  const folder = folderOfDropIns(facts);
  const drop = dropInPath(folder);
  // CRI-O reads every file below its folder, so an older file of ours may be in a subfolder.
  const stale = facts.config.flatMap(({ path, fact }) =>
    path !== drop && mayBeDropIn(path) && fact.kind === 'regular' && isOurDropIn(fact.text) ? [path] : [],
  );
  const written = parseConfig(facts.config.filter(({ path }) => path !== drop && !stale.includes(path)));
  const above = facts.given ? [{ path: placeOfStart(facts), text: '', doc: facts.given.doc }] : [];
  const foreign = [...written.map((file) => ({ ...file, doc: lowered(file.doc) })), ...above];
  const fault = twiceFault(written) ?? faultOf(facts, foreign, [drop, ...stale]);
  if (fault) throw new Failure(ofStart(facts, fault));
  refuseForeignDropIn(files[drop], drop, ledger, isOurDropIn);
  const inherited = inheritedFrom(foreign);
  const required = requiredOf(foreign);
  const present = Object.fromEntries(
    [drop, ...stale].flatMap((path) => {
      const fact = files[path];
      const doc = meaningOf(fact?.kind === 'regular' ? fact.text : null);
      return handlersIn(doc).flatMap(({ name, path: at }) => {
        const table = tableAt(doc, at);
        return table ? [[name, table] as const] : [];
      });
    }),
  );
  const print = (tables: Tables): Wiring => wiringOf(drop, stale, files[drop], ledger, tables);
  const wire = (tables: Tables): Wiring => {
    if (required && !tables.has(required.name)) throw new Failure(ofStart(facts, required.problem));
    return print(tables);
  };
  // CRI-O prints nothing where its default handler is missing.
  const least = (wanted: Wiring): Wiring => print(required ? only(required.name, wanted) : new Map());
  return {
    paths: [drop, ...stale],
    copies: copiesIn(foreign, handlersIn, facts.aliases),
    named: namedIn(foreign, facts.aliases),
    defined: [builtIn, ...foreign.flatMap(({ doc }) => handlersIn(doc).map(({ name }) => name))],
    present,
    isMisread: () => false,
    refusalOf,
    needsProgram: true,
    tableOf: (handler, path) => handlerTable(handler, path, inherited),
    ownerOf: (name) =>
      ownerIn(foreign, name, (doc) =>
        handlersIn(doc).filter(({ path }) => !isOurs(name, tableAt(doc, path))),
      ),
    wire,
    ...(required ? { required } : {}),
    whyNeeded: (path) => whyNeeded(facts, foreign, path),
    trialId: (wanted) => trialId(facts, least(wanted), wanted),
    stage: (wanted, scratch) => trialOf(facts, drop, stale, least(wanted), wanted, scratch),
    check: (trial, tables) =>
      verdict(trial, tables, new Set([...tables.keys(), ...Object.keys(present)]), foreign, drop),
  };
};

/** What no file says stands in the unit, in a drop-in of it, or in a file of its environment. */
const ofStart = (facts: RuntimeFacts, problem: Problem): Problem =>
  facts.given && problem.where?.file === placeOfStart(facts)
    ? {
        ...problem,
        hint: `It is said by the command line or the environment of CRI-O: systemctl cat ${facts.unit?.name ?? 'crio'}, and the files that EnvironmentFile= names.`,
      }
    : problem;

const only = (name: string, { files }: Wiring): Tables => {
  const [file] = files;
  const table = file && tableAt(meaningOf(file.text), [...runtimesPath, name]);
  return new Map(table ? [[name, table]] : []);
};

const refuseUnknown = ({ version, binary }: RuntimeFacts): void => {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === '1' && Number(minor) >= oldest) return;
  throw new Failure({
    code: 'unsupported-runtime',
    message:
      version === ''
        ? `the version of ${binary || 'CRI-O'} cannot be found out`
        : `CRI-O ${version} is not known; 1.${oldest} and later 1.x are`,
  });
};

const folderOfDropIns = ({ config, configFolder, configPath }: RuntimeFacts): string => {
  if (config.some(({ path, fact }) => path === configFolder && fact.kind === 'regular'))
    throw new Failure({
      code: 'unsupported-runtime',
      message: 'CRI-O is started with a --config-dir that is a file, and reads no drop-ins',
      where: { file: configFolder ?? configPath },
      hint: 'Name a folder in the command line of its unit.',
    });
  if (configFolder !== undefined) return configFolder;
  throw new Failure({
    code: 'unsupported-runtime',
    message: 'CRI-O is started with an empty --config-dir, and reads no drop-ins',
    where: { file: configPath },
    hint: 'Take --config-dir out of the command line of its unit.',
  });
};

const refusalOf = (handler: Prepared): Problem | undefined => {
  if (handler.runtime.type === 'shim')
    return {
      code: 'unsupported-handler',
      handler: handler.name,
      message:
        'it is a shim of containerd, and CRI-O runs OCI runtimes: with its type "vm" such a shim starts, and never answers',
      where: handler.where,
      hint:
        handler.where.file === paths.settings
          ? `CRI-O needs to know which program it will be: { handler = "${handler.name}", runtime = { type = "oci", binary = "crun" } }, with the name of the program in the archive of the shim; or take the entry out.`
          : 'Use an OCI runtime with an engine: crun with WasmEdge or wasmtime, or youki (type = "oci").',
    };
  const unknown = annotationsOf(handler).find((pattern) => allowedFor(pattern) === undefined);
  if (unknown === undefined) return undefined;
  return {
    code: 'unsupported-handler',
    handler: handler.name,
    message: `CRI-O knows no annotation "${unknown}", and would leave the handler out`,
    where: handler.where,
    hint: 'Take it out. For Wasm, CRI-O knows module.wasm.image/variant and run.oci.*',
  };
};

const owned = (ledger: Ledger, path: string, fact: FileFact | undefined, text: string): OwnedFile => {
  const known = ledger.files[path];
  const found = known ? known.found : fact?.kind === 'regular' ? fact.digest : undefined;
  return {
    kind: known?.kind ?? 'created',
    digest: fact?.kind === 'regular' && fact.text === text ? fact.digest : digestOf(text),
    ...(found === undefined ? {} : { found }),
  };
};

const wiringOf = (
  drop: string,
  stale: readonly string[],
  fact: FileFact | undefined,
  ledger: Ledger,
  tables: Tables,
): Wiring => {
  const gone = stale.map((path): WantedFile => ({ path, text: null }));
  if (tables.size === 0) return { files: [{ path: drop, text: null }], stale: gone };
  const body = [...tables].map(([name, table]) => printTable([...runtimesPath, name], table)).join('\n');
  const text = `${header}\n${body}`;
  return { files: [{ path: drop, text, owned: owned(ledger, drop, fact, text) }], stale: gone };
};

/** A link in the folder whose target is missing is fatal. */
const whyNeeded = (
  { config }: RuntimeFacts,
  foreign: readonly Parsed[],
  path: string,
): Problem | undefined => {
  const link = config.find(
    (file) => file.path !== path && file.fact.kind === 'regular' && file.fact.real === path,
  );
  const file = link && foreign.find((one) => one.path === link.path);
  if (!file) return undefined;
  return {
    code: 'dangling-import',
    message: `it is a link to ${path}, and CRI-O would not start without that file, which is ours and to be removed`,
    where: whereIn(file, []),
    hint: 'Remove the link, and run it again.',
  };
};
