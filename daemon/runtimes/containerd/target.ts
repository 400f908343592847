/** What a decision needs of containerd's configuration: its text without ours, our part, and what forbids a change. */
import { Failure, type Problem, recover } from '../../../protocol/problem/problem.ts';
import type { FileFact } from '../../../host/facts.ts';
import { type Table, tableAt } from '../../toml/compare.ts';
import { parseToml } from '../../toml/toml.ts';
import type { RuntimeFacts } from '../facts.ts';
import { refuseForeignDropIn } from '../foreign-drop-in.ts';
import { copiesIn, namedIn } from '../named.ts';
import { ownerIn, type Parsed, parseConfig, whereIn } from '../parsed.ts';
import type { Runtime, Target } from '../runtime.ts';
import { faultOf, verdict } from './check.ts';
import {
  defaultRuntime,
  type Generation,
  generationOf,
  handlersIn,
  handlersRead,
  handlerTable,
  isOurs,
} from './config.ts';
import { inherited } from './inherited.ts';
import { trialOf } from './trial.ts';
import { type Layout, layoutOf, wire } from './wiring.ts';
import { isOurDropIn, leadsTo } from './wiring-drop-in.ts';

export const targetOf: Runtime['target'] = (facts, files, ledger): Target => {
  // Written into the main file, our text would be gone at the next start of the distribution.
  if (facts.place)
    throw new Failure({
      code: 'unsupported-host',
      message:
        'the distribution renders this file, and this version of rcm-node does not know how to add to it',
      where: { file: facts.configPath },
    });
  const layout = layoutOf(knownGeneration(facts), facts, files, ledger);
  const { base, drop, stale, generation, place } = layout;
  const mainPath = facts.configPath;
  const foreign = facts.config.flatMap((file) => {
    if (file.path === drop || stale.includes(file.path)) return [];
    if (file.path !== mainPath || file.fact.kind !== 'regular') return parseConfig([file]);
    return base === null ? [] : [{ path: mainPath, ...base }];
  });
  const fault = faultOf(facts, foreign, drop);
  if (fault) throw new Failure(fault);
  refuseForeignDropIn(files[drop], drop, ledger, isOurDropIn);
  const present = presentIn(
    layout,
    [drop, ...stale].map((file) => textIn(files[file])),
  );
  const options = inherited(foreign, layout.schema, generation);
  return {
    paths: [mainPath, drop, ...stale],
    copies: copiesIn(foreign, handlersIn, facts.aliases),
    named: namedIn(foreign, facts.aliases),
    defined: [defaultRuntime.name, ...foreign.flatMap(({ doc }) => handlersIn(doc).map(({ name }) => name))],
    present,
    isMisread: () => isMisread(layout, textIn(files[drop])),
    tableOf: (handler, path) => handlerTable(handler, path, options),
    ownerOf: (name) =>
      ownerIn(foreign, name, (doc) =>
        handlersRead(doc, generation, place).filter((one) => !isOurs(name, tableAt(doc, one.path))),
      ),
    wire: (tables) => wire(layout, tables),
    whyNeeded: (path) => whyNeeded(facts, foreign, path),
    stage: (wanted, scratch) => trialOf(wire(layout, new Map()), wanted, facts, scratch),
    check: (trial, tables) => {
      const ours = new Set([...tables.keys(), ...Object.keys(present)]);
      return verdict(trial, { tables, ours }, foreign, mainPath);
    },
  };
};

const textIn = (fact: FileFact | undefined): string | null => (fact?.kind === 'regular' ? fact.text : null);

const knownGeneration = ({ version, binary }: RuntimeFacts): Generation => {
  const generation = generationOf(version);
  if (generation) return generation;
  throw new Failure({
    code: 'unsupported-runtime',
    message:
      version === ''
        ? `the version of ${binary || 'containerd'} cannot be found out`
        : `containerd ${version} is not known; 1.x and 2.x are`,
  });
};

/** Our tables in the main file, and those in the drop-ins. A text of ours that cannot be parsed any more has none. */
const presentIn = (
  { now, base }: Layout,
  dropIns: readonly (string | null)[],
): Readonly<Record<string, Table>> => {
  const without = new Set(tablesIn(base?.doc).map(({ path }) => path.join('\n')));
  const marked = tablesIn(now?.doc).filter(({ path }) => !without.has(path.join('\n')));
  return Object.fromEntries(
    [...marked, ...dropIns.flatMap((text) => tablesIn(meaningOf(text)))].flatMap(({ name, table }) =>
      name === defaultRuntime.name ? [] : [[name, table]],
    ),
  );
};

const tablesIn = (doc: Table = {}) =>
  handlersIn(doc).flatMap(({ name, path }) => {
    const table = tableAt(doc, path);
    return table ? [{ name, path, table }] : [];
  });

const meaningOf = (text: string | null): Table =>
  recover(
    () => parseToml(text ?? '', 'rcm-node'),
    () => ({}),
  );

const isMisread = ({ generation, place, declares, schema }: Layout, drop: string | null): boolean => {
  if (generation.wiring === 'block') return drop !== null;
  if (drop === null) return false;
  const doc = recover(
    () => parseToml(drop, 'rcm-node'),
    () => undefined,
  );
  if (doc === undefined) return true;
  const isElsewhere = handlersIn(doc).some(({ path }) => place.some((key, depth) => path[depth] !== key));
  return isElsewhere || doc.version !== (declares ? schema : undefined);
};

/** A file other than the main one may import our drop-in by its name, or be a link to it. */
const whyNeeded = (facts: RuntimeFacts, foreign: readonly Parsed[], path: string): Problem | undefined => {
  if (path === facts.configPath) return undefined;
  const others = facts.config.filter((file) => file.path !== facts.configPath && leadsTo(file, path));
  const file = foreign.find((one) => others.some((other) => other.path === one.path));
  if (!file) return undefined;
  const isLink = others.some(
    ({ path: other, fact }) => other === file.path && fact.kind === 'regular' && fact.real === path,
  );
  return {
    code: 'dangling-import',
    message: `it ${isLink ? `is a link to ${path}` : `imports ${path} by its name`}, and containerd would not start without that file, which is ours and to be removed`,
    where: isLink ? { file: file.path } : whereIn(file, ['imports']),
    hint: isLink
      ? 'Remove the link, and run it again.'
      : 'Take this import out of the file, and run it again.',
  };
};
