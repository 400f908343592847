/** The values of containerd's configuration that are no secrets, and may be shown to everyone. */
import { ownComments } from '../../toml/splice-block.ts';
import { remark } from '../../toml/splice-import.ts';
import type { TomlPath } from '../../toml/toml.ts';
import { isBelow, isKeyOf, type Plain } from '../shown.ts';
import { handlersIn } from './config.ts';
import { formerHeader, header } from '../own-header.ts';

/** Keys at the root of the file, and in the table of a handler and its options, whose values name no secret. */
const plainAtRoot = new Set([
  ...['version', 'imports', 'disabled_plugins', 'required_plugins', 'root', 'state', 'oom_score'],
]);
const plainInHandlers = new Set([
  ...['runtime_type', 'runtime_path', 'runtime_engine', 'runtime_root', 'base_runtime_spec', 'snapshotter'],
  ...['pod_annotations', 'container_annotations', 'cni_conf_dir', 'cni_max_conf_num', 'sandboxer', 'io_type'],
  ...['BinaryName', 'Root', 'ShimCgroup', 'CriuPath', 'ConfigPath', 'TypeUrl', 'IoUid', 'IoGid'],
]);
const plainInContainerd = new Set(['default_runtime_name']);

const isPlain = (path: TomlPath, handlers: readonly TomlPath[]): boolean =>
  isKeyOf(path, 0, plainAtRoot) ||
  (path[0] === 'plugins' && path[2] === 'containerd' && isKeyOf(path, 3, plainInContainerd)) ||
  handlers.some(
    (table) =>
      isBelow(path, table) &&
      isKeyOf(path, table.length + (path[table.length] === 'options' ? 1 : 0), plainInHandlers),
  );

export const plain: Plain = {
  handlersIn,
  isPlain,
  comments: new Set([remark, ...ownComments, header.trim(), formerHeader.trim()]),
};
