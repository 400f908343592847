/**
 * The builds whose state, reports and programs today's code has to get along with: every release, and builds that nodes may
 * have without one. `npx node testbed/releases/record.ts NAME` records what a row writes, into test/fixtures/releases/NAME; cutting a release
 * adds a row.
 */

export type Release = {
  /** Of the folder of its record. */
  readonly name: string;
  readonly version: string;
  /** What it is built from; in a clone without this commit it is not built, and its record stands for it. */
  readonly commit: string;
  /** What this tree does otherwise, on the disk or on the Node; empty for the state of this tree. */
  readonly differs: string;
};

export const releases: readonly Release[] = [
  {
    name: '0.1.0-before-registries',
    version: '0.1.0',
    commit: 'c0fa6ffdc15bb6920e86d7fad6bc29f5614b4696',
    differs:
      'the first line of its files, "turns" for approvals in cluster.json, no oci: locations, state that does not name its release',
  },
  {
    name: '0.1.0',
    version: '0.1.0',
    commit: 'f58ef5c905a3b9aa13ae7750ce28cbe93b83b7e2',
    differs: '',
  },
];

/** Those that this tree takes over from. */
export const formerReleases: readonly Release[] = releases.filter(({ differs }) => differs !== '');

export const recordsFolder = 'test/fixtures/releases';
