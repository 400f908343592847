/**
 * A host over a folder of files, as `--root` makes it: real files, no service manager, nothing to ask. And its files as root
 * sees them, for an ordinary user who runs the tests.
 */
import type { FileFact, FileState } from '../../host/facts.ts';
import type { Files } from '../../host/files/files.ts';
import { type Host, makeHost } from '../../host/host.ts';

/** What was logged is collected as `level message`. */
export const bareRoot = (root: string): { readonly host: Host; readonly lines: readonly string[] } => {
  const lines: string[] = [];
  const log = (level: string, message: string): void => {
    lines.push(`${level} ${message}`);
  };
  return { host: makeHost({ root, machine: 'amd64', log }), lines };
};

type Owned = { readonly uid: number; readonly gid: number };

const self: Owned = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const root: Owned = { uid: 0, gid: 0 };

const mapped = ({ uid, gid }: Owned, from: Owned, to: Owned): Owned => ({
  uid: uid === from.uid ? to.uid : uid,
  gid: gid === from.gid ? to.gid : gid,
});

/** The owner that a file of this user has for root. */
export const asRoot = (owned: Owned): Owned => mapped(owned, self, root);

const seen = (fact: FileFact): FileFact => (fact.kind === 'regular' ? { ...fact, ...asRoot(fact) } : fact);
const real = (state: FileState): FileState =>
  state.kind === 'text' ? { ...state, ...mapped(state, root, self) } : state;

/**
 * rcm-node gives a new file of configuration to root, as it has to on a node; a user who is not root can give nothing away.
 * As in a user namespace, that user's own files are root's here, both read and written. Nothing else is mapped, and for root
 * nothing at all.
 */
export const filesAsRoot = (files: Files): Files =>
  self.uid === 0
    ? files
    : {
        ...files,
        look: async (path) => seen(await files.look(path)),
        lookTrusted: async (path) => seen(await files.lookTrusted(path)),
        swap: (path, before, after, purpose) => files.swap(path, real(before), real(after), purpose),
      };
