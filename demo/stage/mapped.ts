/** Which versions in the store running processes really use: the files that they have mapped. */
import type { TestNode } from '../../testbed/node/test-node.ts';
import { readdirSync, readFileSync } from 'node:fs';

export type Using = { readonly pid: number; readonly key: string };

/** Processes of the node, by their ids in it, with the folder of the store that their libraries come from. */
export const usersOfStore = (node: TestNode): readonly Using[] => {
  const proc = node.hostPath('/proc');
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const key = /\/opt\/rcm-node\/store\/([0-9a-f]{64})\/.*libwasmedge/.exec(
          readFileSync(`${proc}/${name}/maps`, 'utf8'),
        )?.[1];
        return key === undefined ? [] : [{ pid: Number(name), key }];
      } catch {
        // The process ended between the two looks.
        return [];
      }
    });
};
