/** What a decision needs of containerd's configuration: its text without ours, our part, and what forbids a change. */
import { Failure, type Problem } from '../../../protocol/problem/problem.ts';
import { tableAt } from '../../toml/compare.ts';
import type { RuntimeFacts } from '../facts.ts';
import { refuseForeignDropIn } from '../foreign-drop-in.ts';
import { copiesIn, namedIn } from '../named.ts';
import { ownerIn, type Parsed, whereIn } from '../parsed.ts';
import { replaceableIn } from '../predecessors/replace.ts';
import { chosenOf, unlikeOf, wireWithout, withoutTables } from '../predecessors/swap.ts';
import type { Runtime, Target } from '../runtime.ts';
import { faultOf, verdict } from './check.ts';
import {
  asksShims,
  defaultRuntime,
  type Generation,
  generationOf,
  handlersIn,
  handlersRead,
  handlerTable,
  isOurs,
} from './config.ts';
import { inherited } from './inherited.ts';
import { trialId, trialOf } from './trial.ts';
import { wayOf } from './places/ways.ts';
import { isOurDropIn, leadsTo } from './wiring-drop-in.ts';

export const targetOf: Runtime['target'] = (facts, files, ledger): Target => {
  const generation = knownGeneration(facts);
  const site = { generation, runtime: facts, files, ledger };
  const way = wayOf(site);
  const { foreign, place, present, schema } = way;
  const mainPath = facts.configPath;
  const fault = faultOf(facts, foreign, way.whole);
  if (fault) throw new Failure(fault);
  for (const path of way.whole) refuseForeignDropIn(files[path], path, ledger, isOurDropIn);
  const options = inherited(foreign, schema, generation);
  const replaceable = replaceableIn(facts, files, ledger.takeover);
  const others = foreign.map((file) => ({ ...file, doc: withoutTables(file, replaceable) }));
  return {
    paths: way.paths,
    copies: copiesIn(foreign, handlersIn, facts.aliases),
    named: namedIn(foreign, facts.aliases),
    defined: [defaultRuntime.name, ...foreign.flatMap(({ doc }) => handlersIn(doc).map(({ name }) => name))],
    present,
    isMisread: way.isMisread,
    tableOf: (handler, path) => handlerTable(handler, path, options),
    ownerOf: (name) =>
      ownerIn(others, name, (doc) =>
        handlersRead(doc, generation, place).filter((one) => !isOurs(name, tableAt(doc, one.path))),
      ),
    ...(asksShims(facts.version) ? { restartsEndShims: true } : {}),
    replaceable,
    unlike: (name, table) => unlikeOf(replaceable, facts.config, name, table),
    wire: (tables, gone) => {
      const chosen = chosenOf(replaceable, tables, gone);
      return chosen.length === 0 ? way.wire(tables) : wireWithout(site, chosen, tables);
    },
    whyNeeded: (path) => whyNeeded(facts, foreign, path),
    trialId: (wanted) => trialId(way.wire(new Map()), wanted, facts),
    stage: (wanted, scratch) => trialOf(way.wire(new Map()), wanted, facts, scratch),
    check: (trial, tables, gone) => {
      const chosen = chosenOf(replaceable, tables, gone);
      const names = [...tables.keys(), ...Object.keys(present), ...chosen.map(({ part }) => part.served)];
      const taken = chosen.map(({ part }) => part.path);
      const files = chosen.length === 0 ? foreign : others;
      return verdict(trial, { tables, ours: new Set(names), taken }, files, mainPath);
    },
    ...(way.refusalOf ? { refusalOf: way.refusalOf } : {}),
    ...(way.hintOfOwner ? { hintOfOwner: way.hintOfOwner } : {}),
    ...(way.notes ? { notes: way.notes } : {}),
  };
};

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
