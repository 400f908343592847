/** The values of CRI-O's configuration that are no secrets, and may be shown to everyone. */
import { isBelow, isKeyOf, type Plain } from '../shown.ts';
import { handlersIn } from './config.ts';
import { header } from '../own-header.ts';

const plainInRuntime = new Set(['default_runtime', 'conmon', 'conmon_cgroup', 'cgroup_manager', 'runtimes']);
const plainInHandlers = new Set([
  ...['runtime_path', 'runtime_type', 'runtime_root', 'runtime_config_path', 'inherit_default_runtime'],
  ...['monitor_path', 'monitor_cgroup', 'monitor_exec_cgroup', 'allowed_annotations', 'container_min_memory'],
]);

export const plain: Plain = {
  handlersIn,
  isPlain: (path, handlers) =>
    (path[0] === 'crio' && path[1] === 'runtime' && isKeyOf(path, 2, plainInRuntime)) ||
    handlers.some(
      (table) =>
        isBelow(path, table) &&
        (isKeyOf(path, table.length, plainInHandlers) || path[table.length] === 'platform_runtime_paths'),
    ),
  comments: new Set(header.trim().split('\n')),
};
