/** Where the temporary file of a drop-in goes. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Programs read such a folder whole, whatever the names in it are, and would end of a text
 * that a power cut left half written. Undefined where the folder above cannot take it.
 */
export const aboveDropIns = async (path: string): Promise<string | undefined> => {
  const folder = dirname(path);
  if (!folder.endsWith('.d')) return undefined;
  const above = dirname(folder);
  try {
    await access(above, constants.W_OK);
    return (await stat(above)).dev === (await stat(folder)).dev ? above : undefined;
  } catch {
    return undefined;
  }
};
