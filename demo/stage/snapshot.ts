/** Every file of a folder in the node: content, mode and owner, to be compared with the same at another time. */
import type { TestNode } from '../../testbed/node/test-node.ts';

/** Path to what `find` and `sha256sum` say of it. Links and folders are in it, without a digest. */
export type Snapshot = ReadonlyMap<string, { readonly facts: string; readonly sha256: string }>;

/** `except` and what is below it is left out. */
export const takeSnapshot = async (node: TestNode, folder: string, except: string): Promise<Snapshot> => {
  const prune = ['-path', except, '-prune', '-o'];
  const facts = await node.run(['find', folder, ...prune, '-printf', '%y %m %u:%g %l\t%p\n']);
  const sums = await node.run(['find', folder, ...prune, '-type', 'f', '-exec', 'sha256sum', '{}', '+']);
  const digests = new Map(sums.split('\n').map((line) => [line.slice(66), line.slice(0, 64)]));
  return new Map(
    facts
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [said = '', path = ''] = line.split('\t');
        return [path, { facts: said.trim(), sha256: digests.get(path) ?? '' }];
      }),
  );
};

/** Sentences of what differs; empty when nothing does. */
export const differences = (before: Snapshot, after: Snapshot): readonly string[] =>
  [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((path) => {
    const [was, is] = [before.get(path), after.get(path)];
    if (was === undefined) return [`${path} is new`];
    if (is === undefined) return [`${path} is gone`];
    if (was.facts !== is.facts) return [`${path} was "${was.facts}" and is "${is.facts}"`];
    return was.sha256 === is.sha256 ? [] : [`${path} has other bytes`];
  });
