/**
 * The files that the runtime merges, in its order: breadth-first, the main file first, globs only where the path has a
 * "*", relative paths against the importing file, nothing twice
 * (https://github.com/containerd/containerd/blob/main/cmd/containerd/server/config/config.go, resolveImports).
 */
import { fileOf, folderOf, globPattern, resolvePath } from '../../../protocol/host-paths.ts';
import { importsOf } from '../../runtimes/containerd/wiring-drop-in.ts';
import type { Files } from '../../../host/files/files.ts';
import type { ConfigFile, RuntimeFacts } from '../../runtimes/facts.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { aliasesIn } from './aliases.ts';
import { namesIn } from './names.ts';

export type ConfigTree = Pick<RuntimeFacts, 'config' | 'dangling' | 'aliases'>;

/** A runaway of imports is cut here; containerd itself has no limit. */
const most = 1000;

export const readTree = async (files: Files, main: string): Promise<ConfigTree> => {
  const config: ConfigFile[] = [];
  const dangling: { readonly from: string; readonly path: string }[] = [];
  const seen = new Set<string>();
  const queue = [main];
  for (let path = queue.shift(); path !== undefined && config.length < most; path = queue.shift()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const fact = await files.look(path);
    config.push({ path, fact });
    if (fact.kind !== 'regular') continue;
    for (const entry of importsIn(fact.text, path)) {
      const full = resolvePath(folderOf(path), entry);
      if (full.includes('*')) queue.push(...(await expand(files, full)));
      else if ((await files.look(full)).kind === 'absent') dangling.push({ from: path, path: full });
      else queue.push(full);
    }
  }
  const aliases = await aliasesIn(files, config);
  return { config, dangling, ...(Object.keys(aliases).length > 0 ? { aliases } : {}) };
};

/** A file that does not parse has no imports; the decision names it as broken. */
const importsIn = (text: string, path: string): readonly string[] => {
  try {
    return importsOf(text, path);
  } catch (error) {
    if (error instanceof Failure) return [];
    throw error;
  }
};

const expand = async (files: Files, glob: string): Promise<readonly string[]> => {
  const folder = folderOf(glob);
  const folders = /[*?[]/.test(folder) ? await expand(files, folder) : [folder];
  const pattern = globPattern(`/${fileOf(glob)}`);
  const found: string[] = [];
  for (const one of folders)
    for (const name of await namesIn(files, one))
      if (pattern.test(`/${name}`)) found.push(`${one === '/' ? '' : one}/${name}`);
  return found;
};
