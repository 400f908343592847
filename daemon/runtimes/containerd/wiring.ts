/**
 * Turns handlers into files, for both ways in which our text can be read: a drop-in that the main file imports
 * (containerd 2.x), or a marked block in the main file (1.x). Foreign text is edited in place, never printed again. For no
 * handlers the result is the host as it was without rcm-node.
 */
import { fileFault } from '../../toml/file-fault.ts';
import type { Ledger, OwnedFile } from '../../model/ledger.ts';
import type { RuntimeFacts } from '../facts.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { declaredSchema, dropInSchema, defaultRuntime, type Generation, handlersRead } from './config.ts';
import { printTable, type Table } from '../../toml/compare.ts';
import { generatedAt } from '../generated.ts';
import type { Tables, WantedFile, Wiring } from '../runtime.ts';
import { folderOf, globPattern } from '../../../protocol/host-paths.ts';
import { addImport, appendBlock, findBlock, type ImportEdit, replaceBlock } from '../../toml/splice.ts';
import {
  mayBeUnmarked,
  type Read,
  readText,
  readWithoutUs,
  skeleton,
  withoutTables,
  withoutUnmarked,
} from './wiring-bare.ts';
import { placeFor, type Site, textIn } from './way.ts';
import { header, keepHeader } from '../own-header.ts';
import { digestOf } from '../../../protocol/digest.ts';
import type { FileFact } from '../../../host/facts.ts';
import { dropInPath, importsOf, isOurDropIn, leadsTo, mayBeDropIn, ownGlob } from './wiring-drop-in.ts';

/** The main file, parsed with the others, unless it was read again since. */
const readOf = ({ config, configPath }: RuntimeFacts, fact: FileFact | undefined): Read | null => {
  if (fact === undefined || fact.kind === 'absent') return null;
  if (fact.kind !== 'regular')
    throw new Failure({
      code: 'broken-config',
      ...fileFault(fact),
      where: { file: configPath },
    });
  const known = config.find(({ path }) => path === configPath);
  const isSame = known?.fact.kind === 'regular' && known.fact.text === fact.text;
  return isSame && known.doc ? { text: fact.text, doc: known.doc } : readText(fact.text, configPath);
};

export const owned = (
  ledger: Ledger,
  path: string,
  fact: FileFact | undefined,
  text: string,
  edit?: ImportEdit,
): OwnedFile => {
  const known = ledger.files[path];
  const found = known ? known.found : fact?.kind === 'regular' ? fact.digest : undefined;
  return {
    kind: known?.kind ?? (fact?.kind === 'regular' ? 'edited' : 'created'),
    digest: fact?.kind === 'regular' && fact.text === text ? fact.digest : digestOf(text),
    ...(found === undefined ? {} : { found }),
    ...(edit === undefined ? {} : { edit }),
  };
};

/** Where handlers are in this configuration: read once, used for several sets of handlers. */
export type Layout = Site & {
  /** The present main file, and the main file without us. */
  readonly now: Read | null;
  readonly base: Read | null;
  /** The parsed content of the latter, or of a new one. */
  readonly doc: Table;
  readonly drop: string;
  /** Drop-ins of ours in a wrong place that the runtime reads. */
  readonly stale: readonly string[];
  readonly schema: number;
  /** Where handlers stand. */
  readonly place: readonly string[];
  /** Whether the main file declares its version, or leaves it to the runtime. */
  readonly declares: boolean;
};

/** Throws Failures that name the obstacle. */
export const layoutOf = (
  generation: Generation,
  runtime: RuntimeFacts,
  files: Readonly<Record<string, FileFact>>,
  ledger: Ledger,
): Layout => {
  const path = runtime.configPath;
  const now = readOf(runtime, files[path]);
  const base =
    now &&
    readWithoutUs(now, path, ledger, generation, (file) => {
      const fact = files[file];
      return fact?.kind === 'regular' && isOurDropIn(fact.text);
    });
  const doc: Table = base === null ? { version: generation.freshSchema } : base.doc;
  const declared = declaredSchema(doc);
  const { schema, place } = placeFor(declared && dropInSchema(declared, runtime.version), {
    path,
    text: base?.text,
    doc,
  });
  const drop = dropInPath(path, doc);
  return {
    generation,
    runtime,
    files,
    ledger,
    now,
    base,
    doc,
    drop,
    stale: staleIn(runtime, drop),
    schema,
    place,
    declares: doc.version !== undefined || schema !== declared,
  };
};

/** A drop-in that a foreign file names stays: without it the runtime would not start. */
export const staleIn = ({ config, configPath }: RuntimeFacts, drop: string): readonly string[] => {
  const others = config.filter(({ path }) => path !== configPath);
  return others.flatMap(({ path, fact }) =>
    path !== drop &&
    mayBeDropIn(path) &&
    fact.kind === 'regular' &&
    isOurDropIn(fact.text) &&
    !others.some((other) => leadsTo(other, path))
      ? [path]
      : [],
  );
};

/** Throws Failures that name the obstacle; nothing has been written by then. */
export const wire = (layout: Layout, tables: Tables): Wiring => {
  const { generation, runtime, files, ledger, now, base, drop, place } = layout;
  const path = runtime.configPath;
  const stale = layout.stale.map((file) => unowned(file, null));
  const without = unowned(drop, null);
  if (tables.size === 0) return { files: [unowned(path, base?.text ?? null), without], stale };
  const from = base?.text ?? skeleton(generation);
  const body = bodyOf(place, tables);
  const mainOwned = (text: string, edit?: ImportEdit): WantedFile => {
    if (text !== now?.text) refuseGenerated(from, path);
    return { path, text, owned: owned(ledger, path, files[path], text, edit) };
  };
  if (generation.wiring === 'block') {
    const alive = definesHandlers(layout) ? '' : defaultBody(place);
    const block = `${alive}${body}`;
    // An existing block is changed in place: foreign text after it stays after it.
    const marked = now === null ? '' : withoutUnmarked(now, path).text;
    const standing = findBlock(marked);
    const adds = alive !== '' && !standing?.body.startsWith(alive) ? { beside: besideOurs } : {};
    if (standing) {
      const text = standing.body === block ? marked : replaceBlock(marked, block, path);
      return { files: [mainOwned(text), without], stale, ...adds };
    }
    return { files: [mainOwned(appendBlock(from, block, path).text), without], stale, ...adds };
  }
  const wanted = `${header}${layout.declares ? `version = ${layout.schema}\n` : ''}\n${body}`;
  const text = keepHeader(wanted, textIn(files[drop]));
  const dropIn = { path: drop, text, owned: owned(ledger, drop, files[drop], text) };
  const covered = importsOf(layout.doc, path).some(
    (entry) => entry.includes('*') && globPattern(entry).test(drop),
  );
  if (covered && base !== null) return { files: [unowned(path, base.text), dropIn], stale };
  const glob = `${folderOf(drop)}/${ownGlob}`;
  const unblocked = now && withoutTables(now, path, mayBeUnmarked(path, ledger, generation));
  const spliced =
    unblocked && importsOf(unblocked.doc, path).includes(glob)
      ? { text: unblocked.text, edit: ledger.files[path]?.edit }
      : addImport(from, glob, path, base?.doc);
  return { files: [mainOwned(spliced.text, spliced.edit), dropIn], stale };
};

export const bodyOf = (place: readonly string[], tables: Tables): string =>
  [...tables].map(([name, table]) => printTable([...place, name], table)).join('\n');

/** 1.x: the built-in default handler, where no file defines a handler. */
export const defaultBody = (place: readonly string[]): string =>
  `${printTable([...place, defaultRuntime.name], defaultRuntime.table)}\n`;

/** For the person who reads the plan. */
export const besideOurs = `containerd 1.x has its built-in "${defaultRuntime.name}" only where no file defines a handler, so it is written beside them`;

export const unowned = (path: string, text: string | null): WantedFile => ({ path, text });

/** 1.x: the first `runtimes.X` in any file replaces the built-in map, and with it `runc`. */
const definesHandlers = ({ runtime, base, doc, generation, place }: Layout): boolean =>
  runtime.config.some((file) => {
    const read = file.path !== runtime.configPath ? file.doc : base === null ? undefined : doc;
    return read !== undefined && handlersRead(read, generation, place).length > 0;
  });

const refuseGenerated = (text: string, file: string): void => {
  const line = generatedAt(text);
  if (line !== undefined)
    throw new Failure({
      code: 'generated-file',
      message: 'the file says that it is generated and must not be edited',
      where: { file, line },
    });
};
