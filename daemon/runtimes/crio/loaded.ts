/** What CRI-O's configuration, as files and as it is loaded, tells of the host: socket, programs, sandboxes, containers. */
import { fields, member, parseJson } from '../../../protocol/json.ts';
import { tableAt } from '../../toml/compare.ts';
import type { ConfigFile, Needed } from '../facts.ts';
import type { Runtime } from '../runtime.ts';
import { builtIn, defaultIn, handlersIn } from './config.ts';
import { usual } from './launch.ts';

const lastIn = (config: readonly ConfigFile[], section: readonly string[], key: string): string | undefined =>
  config.reduce<string | undefined>((found, { doc }) => {
    const said = doc && tableAt(doc, ['crio', ...section])?.[key];
    return typeof said === 'string' && said !== '' ? said : found;
  }, undefined);

export const socketOf: Runtime['socketOf'] = (config) => lastIn(config, ['api'], 'listen') ?? usual.socket;

const searched = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

const placesOf = (word: string): readonly string[] =>
  word.includes('/') ? [word] : searched.map((folder) => `${folder}/${word}`);

/** Keys of a handler's table whose value is a program. */
const programKeys = new Set(['runtime_path', 'monitor_path']);

export const programsIn: Runtime['programsIn'] = (doc) =>
  handlersIn(doc).flatMap(({ path }) => {
    const table = tableAt(doc, path) ?? {};
    const platforms = tableAt(table, ['platform_runtime_paths']) ?? {};
    const named = Object.entries(table).flatMap(([key, value]) => (programKeys.has(key) ? [value] : []));
    return [...named, ...Object.values(platforms)].flatMap((word) =>
      typeof word === 'string' && word !== '' ? [{ word, places: placesOf(word) }] : [],
    );
  });

/**
 * The files that CRI-O needs to start: the program of its default handler, the monitor of each handler, and the common one.
 * `crio config` does not check them. A handler whose own program is missing is only left out.
 */
export const needed: Runtime['needed'] = (config) => {
  const files = config.flatMap(({ path, doc }) => (doc ? [{ path, doc }] : []));
  const name = defaultIn(files);
  const tables = new Map(
    files.flatMap(({ path: file, doc }) =>
      handlersIn(doc).map(
        ({ name: of, path }) => [of, { file, path, table: tableAt(doc, path) ?? {} }] as const,
      ),
    ),
  );
  const found: Needed[] = [];
  const need = (file: string, path: readonly string[], word: unknown, what: string): void => {
    if (typeof word === 'string' && word !== '')
      found.push({ where: { file, path }, what, word, places: placesOf(word) });
  };
  const standard = tables.get(name);
  if (standard && standard.table.inherit_default_runtime !== true)
    need(
      standard.file,
      [...standard.path, 'runtime_path'],
      standard.table.runtime_path || name,
      `the program of the default handler`,
    );
  else if (!standard && name === builtIn)
    need(usual.configPath, [], builtIn, 'the program of the default handler');
  for (const { file, path, table } of tables.values())
    if (table.runtime_type !== 'vm')
      need(file, [...path, 'monitor_path'], table.monitor_path, 'the monitor of a handler');
  for (const { path, doc } of files)
    need(path, ['crio', 'runtime', 'conmon'], tableAt(doc, ['crio', 'runtime'])?.conmon, 'the monitor');
  return found;
};

/** CRI-O keeps the handler of a sandbox in the annotations of all its containers. */
const handlerKey = 'io.kubernetes.cri-o.RuntimeHandler';

/** By the exact key, which CRI-O sets itself: beside it stand annotations that Pods chose. */
const handlerIn = (spec: unknown): string | undefined => {
  const name = fields(member(spec, 'annotations'))[handlerKey];
  return typeof name === 'string' ? name : undefined;
};

export const bundlesOf: Runtime['bundlesOf'] = (config) => ({
  folder: `${lastIn(config, [], 'runroot') ?? '/run/containers/storage'}/overlay-containers`,
  depth: 1,
  inside: 'userdata',
  pidFile: 'pidfile',
  tellers: ['config.json'],
  handlersIn: (text) => {
    const name = handlerIn(parseJson(text));
    return name ? [name] : [];
  },
});

/** The list of sandboxes has no handlers; the verbose status of a sandbox has. */
export const handlerOfSandbox: NonNullable<Runtime['handlerOfSandbox']> = (info) =>
  handlerIn(member(info, 'runtimespec'));

const textIn = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= 1024 ? value : undefined;

export const sandboxesIn: Runtime['sandboxesIn'] = (loaded) => {
  const crio = member(loaded, 'crio');
  return {
    image: textIn(member(loaded, 'sandboximage')) ?? textIn(member(crio, 'pauseimage')),
    root: textIn(member(crio, 'root')) ?? '/var/lib/containers/storage',
    systemdCgroup: textIn(member(crio, 'cgroupmanagername')) !== 'cgroupfs',
  };
};

/** `crio config` prints a key with its default value as a comment. */
export const pauseImage: Runtime['pauseImage'] = (dump) =>
  textIn(/^(?:# )?pause_image = "([^"\n]+)"$/m.exec(dump)?.[1]);
