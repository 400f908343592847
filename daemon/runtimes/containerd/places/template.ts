/**
 * Our block at the end of a template from which the distribution renders the main file at each start: k3s, RKE2, MicroK8s. The
 * template cannot be rendered here, so it is checked against the last rendering: our block is text that no engine changes, and the
 * new main file is the present one without us, followed by the block.
 */
import { Failure, type Problem } from '../../../../protocol/problem/problem.ts';
import type { FileFact } from '../../../../host/facts.ts';
import { fileFault } from '../../../toml/file-fault.ts';
import { digestOf } from '../../../../protocol/digest.ts';
import { marks } from '../../../toml/splice-block.ts';
import { appendBlock } from '../../../toml/splice.ts';
import type { ConfigPlace } from '../../facts.ts';
import { parseConfig } from '../../parsed.ts';
import { declaredSchema, handlersRead } from '../config.ts';
import { handlersOfOurs, isElsewhere, meaningOf, ownTables, placeFor, type Site } from '../way.ts';
import type { Way } from '../way.ts';
import { besideOurs, bodyOf, defaultBody, owned, unowned } from '../wiring.ts';
import { hintOfFound, refuseUnrendered, renderedMain } from './rendered.ts';
import {
  inert,
  isActive,
  lineWithOurs,
  markedIn,
  newTemplate,
  templateWithoutUs,
  withMarked,
} from './template-text.ts';

type Template = Extract<ConfigPlace, { kind: 'template' }>;

export const templateWay = (site: Site, template: Template): Way => {
  const { generation, runtime, files, ledger } = site;
  const { path, base } = template;
  const mainPath = runtime.configPath;
  const main = renderedMain(site);
  const foreign = [main.base, ...parseConfig(runtime.config.filter((one) => one.path !== mainPath))];
  const { schema, place } = placeFor(declaredSchema(main.base.doc), main.base);
  const text = textOf(files[path], template);
  const block = text === null ? undefined : meaningOf(markedIn(text, path) ?? '');
  const bare = text === null ? null : templateWithoutUs(text, path);
  if (bare !== null) refuseCopied(bare, path);
  const definesHandlers = foreign.some(({ doc }) => handlersRead(doc, generation, place).length > 0);
  const rendered = ownTables(main.now?.doc, main.base.doc);
  const written = handlersOfOurs(block ? [block] : []);
  const alive = generation.wiring === 'block' && !definesHandlers ? defaultBody(place) : '';
  return {
    schema,
    place,
    paths: [path],
    whole: [],
    foreign,
    present: { ...rendered, ...written },
    isMisread: () => main.now === undefined || (block !== undefined && isElsewhere(block, place)),
    wire: (tables) => {
      if (tables.size === 0)
        return { files: [unowned(path, bare)], stale: [], reads: [{ path: mainPath, text: main.base.text }] };
      if (main.now && text !== null && Object.keys(written).length > 0 && Object.keys(rendered).length === 0)
        refuseHidden(runtime, path, text);
      const body = `${alive}${bodyOf(place, tables)}`;
      const wanted = withMarked(text ?? newTemplate(base), inert(body), path);
      if (wanted !== text) refuseUnknown(site, template, bare, text === null ? schema : undefined);
      return {
        files: [{ path, text: wanted, owned: owned(ledger, path, files[path], wanted) }],
        stale: [],
        reads: [{ path: mainPath, text: appendBlock(main.base.text, body, mainPath).text }],
        ...(alive === '' || markedIn(text ?? '', path)?.startsWith(alive) ? {} : { beside: besideOurs }),
      };
    },
    refusalOf: ({ name, options }) => {
      if (!Object.keys(options).some(isActive)) return undefined;
      return {
        code: 'unsupported-handler',
        message: 'the name of one of its options has "{{" or "${" in it, which a template would replace',
        where: { file: path },
        handler: name,
        hint: 'Rename the option; in its value these are allowed.',
      };
    },
    hintOfOwner: (name) => hintOfFound(main.base, place, name),
    notes: bare !== null && base !== '' && isFrozen(bare) ? [frozen(path)] : [],
  };
};

/** `null`: there is none, and it can be made. */
const textOf = (fact: FileFact | undefined, { path, base }: Template): string | null => {
  if (fact?.kind === 'regular') return fact.text;
  if (fact !== undefined && fact.kind !== 'absent')
    throw new Failure({ code: 'broken-config', ...fileFault(fact), where: { file: path } });
  if (base !== '') return null;
  throw new Failure({
    code: 'generated-file',
    message: 'the main file is rendered from this template, and there is none',
    where: { file: path },
    hint: 'Install the distribution again, or restore the file: what a new one would have to say is not known.',
  });
};

/** The main file was rendered after the block was written, and has nothing of it: so will the next one. */
const refuseHidden = ({ unrendered, configPath }: Site['runtime'], file: string, text: string): void => {
  if (unrendered !== undefined) return;
  throw new Failure({
    code: 'cannot-splice',
    message: `our block is not in ${configPath}, which was rendered after it: it is inside of a comment or a condition, or nothing reads this template`,
    where: { file, line: text.slice(0, text.indexOf(marks.begin)).split('\n').length },
    hint: 'Remove the lines from `begin` to `end`: rcm-node writes them again at the end of the file.',
  });
};

/** A table of ours outside of our block would be there twice, and some renderings only put texts one after the other. */
const refuseCopied = (bare: string, file: string): void => {
  const line = lineWithOurs(bare);
  if (line === undefined) return;
  throw new Failure({
    code: 'cannot-splice',
    message: 'a table outside of our block names a program of rcm-node',
    where: { file, line },
    hint: 'Take this table out of the template; rcm-node writes its own, between marker lines.',
  });
};

/** Why the next rendering cannot be foreseen. `made`: a template is made, and this is the version of the present rendering. */
const refuseUnknown = (
  site: Site,
  { path }: Template,
  bare: string | null,
  made: number | undefined,
): void => {
  const { runtime, ledger } = site;
  // Others only took our block out.
  const isBare = bare !== null && digestOf(bare) === ledger.files[path]?.found;
  if (!(isBare && runtime.unrendered === path)) refuseUnrendered(site);
  // k3s renders version 2 from the one name and version 3 from the other, whatever it rendered before.
  const named = /(?:-v(\d))?\.toml\.tmpl$/.exec(path);
  const next = named ? Number(named[1] ?? 2) : made;
  if (made !== undefined && next !== made)
    throw new Failure({
      code: 'version-mix',
      message: `a new template of this name is rendered to version ${next}, and ${runtime.configPath} declares version ${made}`,
      where: { file: path },
      hint: 'Update rcm-node, and report this with the output of rcm-node doctor --json.',
    });
};

/** It says where containerd listens, as a rendered file does; what a person adds to the base does not. */
const isFrozen = (bare: string): boolean => {
  const doc = meaningOf(bare);
  return !bare.includes('{{') && doc.version !== undefined && doc.grpc !== undefined;
};

const frozen = (file: string): Problem => ({
  code: 'frozen-template',
  message:
    'this template is a copy of a rendered file: what was copied stands in the place of what the distribution would render today',
  where: { file },
});
