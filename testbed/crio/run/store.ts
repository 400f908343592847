/** Where this keeps what CRI-O keeps in a store of its own: images, and the Pods that a restart must find again. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Store<Item extends { readonly id: string }> = {
  readonly all: () => readonly Item[];
  /** By its whole id or, as CRI-O does, the beginning of one. */
  readonly get: (id: string) => Item | undefined;
  readonly put: (item: Item) => void;
  readonly remove: (id: string) => void;
};

/** One JSON file an item. */
export const storeIn = <Item extends { readonly id: string }>(folder: string): Store<Item> => {
  mkdirSync(folder, { recursive: true });
  const items = new Map<string, Item>(
    readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Item)
      .map((item) => [item.id, item]),
  );
  const fileOf = (id: string): string => join(folder, `${id}.json`);
  return {
    all: () => [...items.values()],
    get: (id) => items.get(id) ?? [...items.values()].find((item) => id !== '' && item.id.startsWith(id)),
    put: (item) => {
      items.set(item.id, item);
      writeFileSync(fileOf(item.id), JSON.stringify(item));
    },
    remove: (id) => {
      items.delete(id);
      rmSync(fileOf(id), { force: true });
    },
  };
};
