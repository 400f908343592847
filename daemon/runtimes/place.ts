/** Where our text belongs on a host of a distribution, by what the main file of its runtime says now. */
import { folderOf, resolvePath } from '../../protocol/host-paths.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import type { ConfigFile, ConfigPlace } from './facts.ts';
import type { Placing, Rendered } from './distro.ts';

/**
 * Undefined: in the main file, or in a drop-in that it imports. Throws the Failure for a main file that shows that no place is
 * read.
 */
export const placeOf = (
  placing: Placing | undefined,
  main: ConfigFile | undefined,
): ConfigPlace | undefined => {
  if (placing === undefined) return undefined;
  if (placing.kind === 'template')
    return { kind: 'template', path: placing.path, base: '', templates: [placing.path] };
  if (placing.kind === 'override')
    return [placing.original, placing.copyTo].includes(main?.path ?? '') ? placing : undefined;
  if (main?.fact.kind !== 'regular')
    throw new Failure({
      code: 'no-runtime',
      message: 'the distribution has not written the configuration of its containerd yet',
      ...(main ? { where: { file: main.path } } : {}),
      hint: 'Start it once: it writes the file at each start.',
    });
  if (placing.kind === 'merged') return merged(placing, main, main.fact.text);
  return rendered(placing.byVersion, placing.base, main);
};

/** Newer versions of the distribution let the runtime import the folder. */
const merged = (
  { folder, firstLine }: Placing & { kind: 'merged' },
  main: ConfigFile,
  text: string,
): ConfigPlace => {
  if (text.split('\n', 1)[0]?.trimEnd() === firstLine)
    return { kind: 'folder', folder, readBy: importsAll(main, folder) ? 'runtime' : 'distribution' };
  throw new Failure({
    code: 'unsupported-host',
    message: `the first line of the file is not "${firstLine}", so that nothing reads ${folder}, and nothing restarts containerd`,
    where: { file: main.path },
    hint: `Move your own text into ${folder}, and the file away: it is written anew at the next start of k0s.`,
  });
};

const importsAll = ({ doc, path }: ConfigFile, folder: string): boolean =>
  Array.isArray(doc?.imports) &&
  doc.imports.some(
    (entry) => typeof entry === 'string' && resolvePath(folderOf(path), entry) === `${folder}/*.toml`,
  );

/** A folder counts only if the file imports it: older versions render the same file without it. */
const rendered = (
  byVersion: readonly Rendered[],
  base: string,
  main: ConfigFile,
): ConfigPlace | undefined => {
  // A file that cannot be parsed may be broken by our own block, which came from the template.
  const version = main.doc ? main.doc.version : Number(/^version\s*=\s*(\d+)/m.exec(textOf(main))?.[1] ?? 1);
  const declared = typeof version === 'number' || typeof version === 'bigint' ? Number(version) : 1;
  const one = byVersion.find(({ from }) => declared >= from);
  if (!one) return undefined;
  const beside = folderOf(main.path);
  const folder = `${beside}/${one.folder}`;
  const templates = byVersion.map(({ template }) => `${beside}/${template}`);
  if (importsAll(main, folder)) return { kind: 'folder', folder, readBy: 'runtime', templates };
  return { kind: 'template', path: `${beside}/${one.template}`, base, templates };
};

const textOf = ({ fact }: ConfigFile): string => (fact.kind === 'regular' ? fact.text : '');
