/**
 * The program of a prepared handler, for a runtime that leaves out a handler whose program is missing when it starts: it starts no
 * container, and says why. It is in the store, as every other program, so that it is verified, kept and removed as they are.
 */
import { digestOf } from '../../../protocol/digest.ts';
import { storePath } from '../../../protocol/host-paths.ts';

export const standInName = 'no-shim';

/** It is called by the stable path, which has the name of the handler. */
export const standInText = `#!/bin/sh
# Written by rcm-node: a handler that is prepared has no program of its own yet.
handler="\${0%/*}"
echo "rcm-node: the handler \\"\${handler##*/}\\" is prepared, and no shim is there for it yet" >&2
exit 1
`;

/** The name of its folder in the store. */
export const standInKey = digestOf(standInText);
export const standInLink = storePath(standInKey, standInName, false);

/** Whether the link of a handler leads to a shim. */
export const leadsToShim = (target: string | null | undefined): boolean =>
  target !== null && target !== undefined && target !== standInLink;
