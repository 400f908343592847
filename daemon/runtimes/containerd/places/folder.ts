/**
 * A drop-in in the folder of a distribution that generates the main file: k3s and RKE2, whose main file imports the folder, and
 * k0s, which merges the files of the folder into a file that its main file imports (newer ones import the folder, too). The main
 * file is never edited.
 */
import { folderOf, globPattern } from '../../../../protocol/host-paths.ts';
import { Failure } from '../../../../protocol/problem/problem.ts';
import { addImport } from '../../../toml/splice.ts';
import type { ConfigPlace } from '../../facts.ts';
import { type Parsed, parseConfig } from '../../parsed.ts';
import type { WantedFile } from '../../runtime.ts';
import { header, keepHeader } from '../../own-header.ts';
import { declaredSchema, dropInSchema } from '../config.ts';
import {
  handlersOfOurs,
  isMisreadDropIn,
  meaningOf,
  ownTables,
  placeFor,
  type Site,
  textIn,
} from '../way.ts';
import type { Way } from '../way.ts';
import { bodyOf, owned, staleIn, unowned } from '../wiring.ts';
import { dropInName, importsOf } from '../wiring-drop-in.ts';
import { bareOf, hintOfFound, refuseUnrendered, renderedMain } from './rendered.ts';

type Folder = Extract<ConfigPlace, { kind: 'folder' }>;

/** k0s merges drop-ins only while this is the first line of its file, and refuses every other version in them. */
const managed = /^# k0s_managed=true\r?$/;
const mergedSchema = 3;

export const folderWay = (site: Site, { folder, readBy }: Folder): Way => {
  const { generation, runtime, files, ledger } = site;
  const mainPath = runtime.configPath;
  const { base: main, now } = renderedMain(site);
  if (generation.wiring !== 'drop-in')
    throw new Failure({
      code: 'unsupported-runtime',
      message: `containerd ${runtime.version} would replace the CRI settings of this file by those of a drop-in`,
      where: { file: mainPath },
    });
  const drop = `${folder}/${dropInName}`;
  const stale = staleIn(runtime, drop);
  const isRead = importsOf(main.doc, mainPath).some(
    (entry) => entry.includes('*') && globPattern(entry).test(drop),
  );
  const isMerged = readBy === 'distribution' && !isRead;
  const isOthers = (path: string): boolean => path !== mainPath && path !== drop && !stale.includes(path);
  const others = parseConfig(runtime.config.filter(({ path }) => isOthers(path))).map((file) => {
    const isRendered = isMerged && folderOf(file.path) !== folder;
    return { now: file, base: isRendered ? bareOf(file) : file };
  });
  const foreign = [main, ...others.map(({ base }) => base)];
  const declared = declaredSchema(main.doc);
  const { schema, place } = placeFor(declared && dropInSchema(declared, runtime.version), main);
  if (readBy === 'distribution') refuseUnmanaged(main, schema);
  else if (!isRead) throw unread(mainPath, folder);
  const version = main.doc.version !== undefined || schema !== declared ? schema : undefined;
  const changed = others.flatMap(({ now, base }): readonly WantedFile[] =>
    now.text === base.text ? [] : [{ path: base.path, text: base.text }],
  );
  const text = textIn(files[drop]);
  return {
    schema,
    place,
    paths: [drop, ...stale],
    whole: [drop],
    foreign,
    present: {
      ...ownTables(now?.doc, main.doc),
      ...Object.assign({}, ...others.map((one) => ownTables(one.now.doc, one.base.doc))),
      ...handlersOfOurs([drop, ...stale].map((file) => meaningOf(textIn(files[file])))),
    },
    isMisread: () => isMisreadDropIn(text, place, version),
    hintOfOwner: (name) => hintOfFound(main, place, name),
    wire: (tables) => {
      const isBare = tables.size === 0;
      const versionLine = version === undefined ? '' : `version = ${version}\n`;
      const wanted = keepHeader(`${header}${versionLine}\n${bodyOf(place, tables)}`, text);
      if (!isBare && wanted !== text) refuseUnrendered(site);
      const dropIn = isBare
        ? unowned(drop, null)
        : { path: drop, text: wanted, owned: owned(ledger, drop, files[drop], wanted) };
      const read = isMerged && !isBare ? addImport(main.text, drop, mainPath).text : main.text;
      return {
        files: [dropIn],
        stale: stale.map((path) => unowned(path, null)),
        reads: [{ path: mainPath, text: read }, dropIn, ...changed],
      };
    },
  };
};

const unread = (file: string, folder: string): Failure =>
  new Failure({
    code: 'generated-file',
    message: `the file is generated, and does not import ${folder}/*.toml: a drop-in there would not be read`,
    where: { file },
  });

const refuseUnmanaged = ({ path, text, doc }: Parsed, schema: number): void => {
  if (!managed.test(text.split('\n', 1)[0] ?? ''))
    throw new Failure({
      code: 'generated-file',
      message: 'k0s does not manage this file any more, so it reads no drop-ins either',
      where: { file: path, line: 1 },
      hint: `Make "# k0s_managed=true" its first line, and move what was changed in it into a file in /etc/k0s/containerd.d: k0s writes ${path} anew when it starts.`,
    });
  if (schema !== mergedSchema)
    throw new Failure({
      code: 'unsupported-runtime',
      message: `k0s reads drop-ins of version ${mergedSchema} alone, and this file declares version ${doc.version ?? 1}`,
      where: { file: path },
    });
};
