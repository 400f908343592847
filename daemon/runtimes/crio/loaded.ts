/** What CRI-O's configuration, as files and as it is loaded, tells of the host: socket, programs, sandboxes, containers. */
import { fields, member, parseJson } from '../../../protocol/json.ts';
import { ociStates, resolvePath } from '../../../protocol/host-paths.ts';
import { tableAt } from '../../toml/compare.ts';
import type { ConfigFile, Needed } from '../facts.ts';
import type { Runtime } from '../runtime.ts';
import { builtIn, defaultIn, handlersIn, runtimesPath } from './config.ts';
import { usual } from './launch.ts';
import { lowered } from './lowered.ts';

const lastIn = (config: readonly ConfigFile[], section: readonly string[], key: string): string | undefined =>
  config.reduce<string | undefined>((found, { doc }) => {
    const said = doc && tableAt(lowered(doc), ['crio', ...section])?.[key];
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
 * What has to be there for CRI-O to start: what its default handler names, and the monitor of every handler. `crio config` looks
 * at none of them, and a handler without its own program is only left out.
 */
export const needed: Runtime['needed'] = (config) => {
  const files = config.flatMap(({ path, doc }) => (doc ? [{ path, doc: lowered(doc) }] : []));
  const name = defaultIn(files);
  const tables = new Map(
    files.flatMap(({ path: file, doc }) =>
      handlersIn(doc).map(
        ({ name: of, path }) => [of, { file, path, table: tableAt(doc, path) ?? {} }] as const,
      ),
    ),
  );
  // The one that is built in has no table where nothing is said of it.
  if (!tables.has(builtIn))
    tables.set(builtIn, { file: usual.configPath, path: [...runtimesPath, builtIn], table: {} });
  const found: Needed[] = [];
  /** A word is a path, from the root; where there is none, `program` is looked for in $PATH. */
  const need = (where: Needed['where'], what: string, word: unknown, program = ''): void => {
    if (typeof word === 'string' && word !== '')
      found.push({ where, what, word, places: [resolvePath('/', word)] });
    else if (program !== '') found.push({ where, what, word: program, places: placesOf(program) });
  };
  const standard = tables.get(name);
  if (standard) {
    const { file, path, table } = standard;
    const at = (key: string): Needed['where'] => ({ file, path: [...path, key] });
    need(at('runtime_path'), 'the program of the default handler', table.runtime_path, name);
    need(at('seccomp_profile'), 'the seccomp profile of the default handler', table.seccomp_profile);
    if (table.runtime_type === 'vm')
      need(at('runtime_config_path'), 'the configuration of the default handler', table.runtime_config_path);
    if (table.runtime_type === 'pod')
      need(at('monitor_path'), 'the monitor of the default handler', table.monitor_path, 'conmonrs');
  }
  const common = files.findLast(({ doc }) => tableAt(doc, ['crio', 'runtime'])?.conmon !== undefined);
  const conmon = common && tableAt(common.doc, ['crio', 'runtime'])?.conmon;
  // It stands above what handlers say.
  if (common && conmon)
    need({ file: common.path, path: ['crio', 'runtime', 'conmon'] }, 'the monitor', conmon);
  else
    for (const { file, path, table } of tables.values())
      if (['', 'oci', undefined].some((type) => type === table.runtime_type))
        need(
          { file, path: [...path, 'monitor_path'] },
          'the monitor of a handler',
          table.monitor_path,
          'conmon',
        );
  return found;
};

/** CRI-O keeps the handler of a sandbox in its annotations, and lets annotations and labels of the Pod replace it. */
const handlerKey = 'io.kubernetes.cri-o.RuntimeHandler';
export const handlerKeys = [handlerKey] as const;

/** By the exact key: beside it stand annotations that Pods chose. */
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
  states: ociStates,
  handlersIn: (text) => {
    const name = handlerIn(parseJson(text));
    return name ? [name] : [];
  },
});

/** The list of sandboxes has no handlers; the verbose status of a sandbox has, unless the Pod chose what stands there. */
export const handlerOfSandbox: NonNullable<Runtime['handlerOfSandbox']> = (info, { labels, annotations }) =>
  Object.hasOwn(labels, handlerKey) || Object.hasOwn(annotations, handlerKey)
    ? undefined
    : handlerIn(member(info, 'runtimespec'));

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
