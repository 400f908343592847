/**
 * A main file of ours instead of the vendor's, which is on a read-only file system (Flatcar): a drop-in of the unit names it in a
 * variable of the environment. On 2.x it only imports the vendor's file, so an update of the system has its effect. 1.x would
 * replace our tables by those of the imported file: there it is a copy, written anew when the vendor's file changes.
 */
import { Failure } from '../../../../protocol/problem/problem.ts';
import { fileFault } from '../../../toml/file-fault.ts';
import { printString } from '../../../toml/compare.ts';
import { appendBlock, findBlock } from '../../../toml/splice.ts';
import type { ConfigPlace } from '../../facts.ts';
import { header, keepHeader } from '../../own-header.ts';
import { configFile, type Parsed, parseConfig } from '../../parsed.ts';
import { declaredSchema, dropInSchema, handlersRead } from '../config.ts';
import { handlersOfOurs, isElsewhere, meaningOf, placeFor, type Site, textIn } from '../way.ts';
import type { Way } from '../way.ts';
import { besideOurs, bodyOf, defaultBody, owned, unowned } from '../wiring.ts';
import { isOurUnitDropIn, isOverride, overrideMark } from './override-text.ts';

type Override = Extract<ConfigPlace, { kind: 'override' }>;

export const overrideWay = (site: Site, override: Override): Way | undefined => {
  const { generation, runtime, files, ledger } = site;
  const { copyTo, unitDropIn, variable } = override;
  const text = textIn(files[copyTo]);
  const isInForce =
    runtime.configPath === copyTo &&
    (copyTo in ledger.files || isOverride(text ?? '') || isOurUnitDropIn(textIn(files[unitDropIn]) ?? ''));
  // A person has the unit read another file: that is a main file like any other.
  if (runtime.configPath !== override.original && !isInForce) return undefined;
  const known = originalOf(site, override);
  // An update took it away. What is ours can still go, and has to, where the unit names another file by now.
  const original = known ?? { path: override.original, text: '', doc: {} };
  const others = runtime.config.filter(({ path }) => path !== copyTo && path !== original.path);
  const foreign = [original, ...parseConfig(others)];
  const declared = declaredSchema(original.doc);
  const { schema, place } = placeFor(declared && dropInSchema(declared, runtime.version), original);
  const isCopy = generation.wiring === 'block';
  const declares = original.doc.version !== undefined || schema !== declared;
  const definesHandlers = foreign.some(({ doc }) => handlersRead(doc, generation, place).length > 0);
  const alive = isCopy && !definesHandlers ? defaultBody(place) : '';
  const ours = meaningOf(isCopy ? (findBlock(text ?? '')?.body ?? '') : text);
  const head = overrideMark(original.path);
  const unitText = keepHeader(
    `${header}[Service]\nEnvironment="${variable}=${copyTo}"\n`,
    textIn(files[unitDropIn]),
  );
  return {
    schema,
    place,
    paths: [unitDropIn, copyTo],
    whole: [unitDropIn, copyTo],
    foreign,
    present: handlersOfOurs([ours]),
    isMisread: () => known === undefined || isElsewhere(ours, place),
    wire: (tables) => {
      const bare = { path: original.path, text: known?.text ?? null };
      if (tables.size === 0)
        return {
          files: [unowned(unitDropIn, null), unowned(copyTo, null)],
          stale: [],
          reads: [bare, unowned(copyTo, null)],
        };
      if (!known) throw gone(override.original);
      const body = `${alive}${bodyOf(place, tables)}`;
      const wanted = isCopy
        ? appendBlock(`${head}${original.text}`, body, copyTo).text
        : `${head}${declares ? `version = ${schema}\n` : ''}imports = [${printString(original.path)}]\n\n${body}`;
      const copy = keepHeader(wanted, text);
      return {
        files: [
          { path: unitDropIn, text: unitText, owned: owned(ledger, unitDropIn, files[unitDropIn], unitText) },
          { path: copyTo, text: copy, owned: owned(ledger, copyTo, files[copyTo], copy) },
        ],
        stale: [],
        reads: [{ path: copyTo, text: copy }],
        ...(alive === '' || text !== null ? {} : { beside: besideOurs }),
      };
    },
  };
};

/** It is not among the files that the runtime reads while a copy is in force. */
const originalOf = ({ runtime, files }: Site, { original }: Override): Parsed | undefined => {
  const known = runtime.config.find(({ path }) => path === original);
  return parseConfig([known ?? configFile(original, files[original] ?? { kind: 'absent' })])[0];
};

const gone = (file: string): Failure =>
  new Failure({
    code: 'broken-config',
    ...fileFault({ kind: 'absent' }),
    where: { file },
    hint: 'Our main file stands in for it. See which file the unit names: systemctl cat containerd.service; rcm-node uninstall takes ours out.',
  });
