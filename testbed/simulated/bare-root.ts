/** A host over a folder of files, as `--root` makes it: real files, no service manager, nothing to ask. */
import { type Host, makeHost } from '../../host/host.ts';

/** What was logged is collected as `level message`. */
export const bareRoot = (root: string): { readonly host: Host; readonly lines: readonly string[] } => {
  const lines: string[] = [];
  const log = (level: string, message: string): void => {
    lines.push(`${level} ${message}`);
  };
  return { host: makeHost({ root, machine: 'amd64', log }), lines };
};
