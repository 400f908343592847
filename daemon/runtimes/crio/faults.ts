/**
 * Faults of the configuration of others that `crio config` lets through, and that only the daemon finds when it starts: CRI-O
 * would not come back from a restart.
 */
import { fileOf } from '../../../protocol/host-paths.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import { isPlain, isTable, type Table, tableAt } from '../../toml/compare.ts';
import type { RuntimeFacts } from '../facts.ts';
import { type Parsed, whereIn } from '../parsed.ts';
import { defaultIn, isKnownAnnotation, mergedIn, runtimesPath } from './config.ts';
import { twiceIn } from './lowered.ts';

/** `files`: by the keys of CRI-O in lower case; what is not theirs is as it was written. `ours`: paths of files that are written anew. */
export const faultOf = (
  facts: RuntimeFacts,
  files: readonly Parsed[],
  ours: readonly string[],
): Problem | undefined => {
  const lost = facts.config.find(({ path, fact }) => path !== facts.configPath && fact.kind === 'absent');
  if (lost)
    return {
      code: 'broken-config',
      message: 'it is a link that leads nowhere, and CRI-O does not start with that',
      where: { file: lost.path },
      hint: 'Remove the link, or make what it leads to.',
    };
  const main = facts.config.find(({ path }) => path === facts.configPath);
  if (facts.mainIs === 'needed' && main?.fact.kind === 'absent')
    return {
      code: 'broken-config',
      message:
        'the command line or the environment of CRI-O names this file, which is not there; CRI-O would not start again',
      where: { file: facts.configPath },
    };
  const unfit = defaultFault(files, defaultIn(files)) ?? groupFault(files);
  if (unfit) return unfit;
  const missing = facts.missing?.find(({ where }) => !ours.includes(where.file));
  if (!missing) return undefined;
  const file = files.find(({ path }) => path === missing.where.file);
  const { what, word } = missing;
  // Where no path is given, it is the name of the handler.
  const said = word.includes('/') || isPlain(word) ? `${what} is ${word}, which` : what;
  return {
    code: 'broken-config',
    message: `${said} is not there; CRI-O would not start again`,
    where: file ? whereIn(file, missing.where.path) : { file: missing.where.file },
  };
};

export const twiceFault = (files: readonly Parsed[]): Problem | undefined => {
  for (const file of files) {
    const path = twiceIn(file.doc);
    if (path)
      return {
        code: 'broken-config',
        message: `"${path.at(-1)}" stands here twice, in upper and lower case, and CRI-O reads either`,
        where: whereIn(file, path),
        hint: 'Remove one of them.',
      };
  }
  return undefined;
};

const kinds = new Set<unknown>(['', 'oci', 'vm', 'pod']);
const isOci = ({ runtime_type: type = '' }: Table): boolean => type === '' || type === 'oci';

/**
 * Each version of CRI-O knows annotations of its own. Those that are named as CRI-O and systemd name theirs are
 * not judged: a node that runs with them is not refused for a list that is older or newer than it.
 */
const mayBeKnown = (name: unknown): boolean =>
  isKnownAnnotation(name) ||
  (typeof name === 'string' &&
    (/^(io\.kubernetes\.cri|io\.containers\.|module\.wasm\.|org\.(systemd|criu|opencontainers)\.)/.test(
      name,
    ) ||
      /\.(crio|kubernetes\.cri-o)\.io$/.test(name) ||
      name === 'bundle'));

/** What is wrong with the value of a key of a handler. Of any other handler it is a reason to leave it out; of the default one CRI-O ends. */
const rules: Readonly<Record<string, (table: Table, name: string) => string | undefined>> = {
  allowed_annotations: ({ allowed_annotations: allowed }) =>
    Array.isArray(allowed) && !allowed.every(mayBeKnown)
      ? 'allows an annotation that CRI-O does not know'
      : undefined,
  runtime_type: ({ runtime_type: type = '' }) =>
    kinds.has(type) ? undefined : 'has a runtime_type that CRI-O does not know',
  runtime_path: ({ runtime_type: type, runtime_path: path }, name) =>
    type === 'vm' && !/containerd-shim-[a-zA-Z0-9\-+]+-v2/.test(fileOf(String(path || name)))
      ? 'is of the type "vm", and its program is not named containerd-shim-NAME-v2'
      : undefined,
  runtime_config_path: ({ runtime_type: type, runtime_config_path: path }) =>
    path && type !== 'vm' ? 'has a runtime_config_path, which is for the type "vm" alone' : undefined,
  stream_websockets: ({ runtime_type: type, stream_websockets: on }) =>
    on === true && type !== 'pod' ? 'streams websockets, which is for the type "pod" alone' : undefined,
  no_sync_log: (table) =>
    table.no_sync_log === true && !isOci(table)
      ? 'has no_sync_log, which is for the type "oci" alone'
      : undefined,
  exec_cpu_affinity: ({ exec_cpu_affinity: value = '' }) =>
    value === '' || value === 'first' ? undefined : 'has an exec_cpu_affinity that CRI-O does not know',
};

const defaultFault = (files: readonly Parsed[], name: string): Problem | undefined => {
  const found = mergedIn(files).get(name);
  if (!found) return undefined;
  for (const [key, rule] of Object.entries(rules)) {
    const fault = rule(found.table, name);
    if (fault !== undefined)
      return {
        code: 'broken-config',
        message: `the default handler${isPlain(name) ? ` "${name}"` : ''} ${fault}; CRI-O would not start again`,
        where: whereIn(found.file, [...runtimesPath, name, key]),
      };
  }
  return undefined;
};

const inRuntimeOf = ({ doc }: Parsed): Table => tableAt(doc, ['crio', 'runtime']) ?? {};

/** Where systemd makes the cgroups, a monitor has to be in a slice, or in that of its Pod; elsewhere in that of its Pod, or in none. */
const groupFault = (files: readonly Parsed[]): Problem | undefined => {
  const last = (key: string): Parsed | undefined =>
    files.findLast((file) => inRuntimeOf(file)[key] !== undefined);
  const manager = last('cgroup_manager');
  const isSystemd = !manager || inRuntimeOf(manager).cgroup_manager === 'systemd';
  const isFit = (group: unknown): boolean =>
    typeof group !== 'string' ||
    ['', 'pod', 'system.slice'].includes(group) ||
    (isSystemd && group.endsWith('.slice'));
  const fault = (file: Parsed, path: readonly string[]): Problem => ({
    code: 'broken-config',
    message: `the cgroup of a monitor has to be "pod" or ${isSystemd ? 'a slice' : 'none'}; CRI-O would not start again`,
    where: whereIn(file, path),
  });
  const common = last('conmon_cgroup');
  // It stands above what handlers say.
  if (common && inRuntimeOf(common).conmon_cgroup !== '')
    return isFit(inRuntimeOf(common).conmon_cgroup)
      ? undefined
      : fault(common, ['crio', 'runtime', 'conmon_cgroup']);
  for (const [name, { file, table }] of mergedIn(files))
    if (isTable(table) && isOci(table) && !isFit(table.monitor_cgroup))
      return fault(file, [...runtimesPath, name, 'monitor_cgroup']);
  return undefined;
};
