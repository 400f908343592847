/** The demo's few arguments: argv in, options out. */
import { parseArgs } from 'node:util';

export type Wanted =
  | { readonly kind: 'demo'; readonly keep: boolean }
  | { readonly kind: 'remove'; readonly node: string }
  | { readonly kind: 'clean' }
  | { readonly kind: 'help' }
  | { readonly kind: 'usage'; readonly message: string };

export const usage = `npm run demo [-- OPTIONS]

Boots a throwaway Debian 13 node (systemd, D-Bus, containerd 1.7). On it rcm-node serves one more handler, updates it under a
running Pod, undoes a change with which containerd does not start, and takes everything away again. At the end a fleet of
simulated nodes, under the real controller, takes up a new handler in waves, and stops before a version that fails. Every
command shown is really run, every ✓ was checked.

  --keep           leave the node running at the end, and say how to enter and how to remove it
  --remove NODE    remove a node that was kept
  --clean          remove what the demo keeps for its next run
  --help           this text

Needs root on a Debian-family Linux on x86-64. Missing Debian packages are installed, named, and stay. About two minutes more
the first time; what makes later runs short is kept in ~/.cache/rcm-node (images/, bundles/, build/: about 1 GB, the end of the
demo says how much) and in dist/. All else is gone at the end, also after Ctrl-C, and fs.inotify.max_user_instances, which nodes
need higher, is as it was.

Exit codes: 0 all was shown and proven, 1 something was not as it should be, 2 the demo cannot run here
`;

/** A name as the demo gives it, and nothing that could lead out of the folder of nodes. */
const nodeName = /^rcm-demo-\d+$/;

export const parseArguments = (argv: readonly string[]): Wanted => {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        keep: { type: 'boolean' },
        remove: { type: 'string' },
        clean: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
      strict: true,
    });
    if (values.help) return { kind: 'help' };
    if (values.clean)
      return values.keep || values.remove !== undefined
        ? { kind: 'usage', message: '--clean goes alone' }
        : { kind: 'clean' };
    if (values.remove === undefined) return { kind: 'demo', keep: values.keep === true };
    if (values.keep) return { kind: 'usage', message: '--keep and --remove do not go together' };
    return nodeName.test(values.remove)
      ? { kind: 'remove', node: values.remove }
      : { kind: 'usage', message: `"${values.remove}" is no name of a kept node (rcm-demo-<number>)` };
  } catch (error) {
    return {
      kind: 'usage',
      message: error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error),
    };
  }
};
