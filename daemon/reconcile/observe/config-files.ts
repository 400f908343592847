/**
 * The files that the runtime reads, in its order: breadth-first, the main file first, globs only if the path has a "*", each
 * file once. The row of the runtime tells the imports of each file.
 */
import { fileOf, folderOf, globPattern } from '../../../protocol/host-paths.ts';
import type { Files } from '../../../host/files/files.ts';
import type { ConfigFile, ConfigSource, RuntimeFacts } from '../../runtimes/facts.ts';
import { configFile } from '../../runtimes/parsed.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import { aliasesIn } from './aliases.ts';
import { namesIn } from './names.ts';

export type ConfigTree = Pick<RuntimeFacts, 'config' | 'dangling' | 'aliases'>;

/** The most files: protects against endless imports; runtimes have no limit. */
const most = 1000;

export const readTree = async (files: Files, runtime: Runtime, source: ConfigSource): Promise<ConfigTree> => {
  const config: ConfigFile[] = [];
  const dangling: { readonly from: string; readonly path: string }[] = [];
  const seen = new Set<string>();
  const queue = [source.main];
  for (let path = queue.shift(); path !== undefined && config.length < most; path = queue.shift()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const isSkipped = path === source.main && source.mainIs === 'skipped';
    const file = configFile(path, isSkipped ? { kind: 'absent' } : await files.look(path));
    config.push(file);
    for (const full of runtime.next(file, source)) {
      if (full.endsWith('/**')) queue.push(...(await below(files, folderOf(full))));
      else if (full.includes('*')) queue.push(...(await expand(files, full)));
      else if ((await files.look(full)).kind === 'absent') dangling.push({ from: path, path: full });
      else queue.push(full);
    }
  }
  const aliases = await aliasesIn(files, runtime, config);
  return { config, dangling, ...(Object.keys(aliases).length > 0 ? { aliases } : {}) };
};

/**
 * Every file below a folder, whatever its name, in the order of a walk. A link to a folder is not walked: like a link that leads
 * nowhere it is one of the files, and no readable one.
 */
const below = async (files: Files, path: string): Promise<readonly string[]> => {
  if ((await files.linkAt(path)).target !== null) return [path];
  if (!(await files.isFolder(path))) return (await files.look(path)).kind === 'absent' ? [] : [path];
  const found: string[] = [];
  for (const name of await namesIn(files, path)) found.push(...(await below(files, `${path}/${name}`)));
  return found;
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
