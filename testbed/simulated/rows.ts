/** The container runtimes that tests of whole ticks run on: one more is one row more. */
import type { Meta } from './node.ts';

export type Row = {
  readonly name: string;
  readonly meta: Pick<Meta, 'runtime' | 'version'>;
  /** The file that others write, and what stands in it. */
  readonly main: string;
  readonly text: string;
  /** The file that our text is in. */
  readonly ours: string;
  /** The program of a handler. */
  readonly binary: (handler: string) => string;
  /** Its default handler. */
  readonly usual: string;
  /** A key of a handler's table without which it is another one. */
  readonly word: string;
};

const shim = (handler: string): string => `containerd-shim-${handler}`;
const containerd = '/etc/containerd/config.toml';

export const rows: readonly Row[] = [
  {
    name: 'containerd 1.7',
    meta: { version: '1.7.24' },
    main: containerd,
    text: '# theirs\nversion = 2\n',
    ours: containerd,
    binary: shim,
    usual: 'runc',
    word: 'runtime_type',
  },
  {
    name: 'containerd 2.1',
    meta: { version: '2.1.4' },
    main: containerd,
    text: '# theirs\nversion = 3\n',
    ours: '/etc/containerd/conf.d/zz-rcm-node.toml',
    binary: shim,
    usual: 'runc',
    word: 'runtime_type',
  },
  {
    name: 'CRI-O 1.36',
    meta: { runtime: 'crio', version: '1.36.3' },
    main: '/etc/crio/crio.conf',
    text: '# theirs\n[crio.image]\npause_image = "registry.k8s.io/pause:3.10.1"\n',
    ours: '/etc/crio/crio.conf.d/zz-rcm-node.conf',
    binary: () => 'crun',
    usual: 'crun',
    word: 'runtime_path',
  },
];
