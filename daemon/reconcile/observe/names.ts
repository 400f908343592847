/** The names in a folder, where an empty folder permits a change: an unreadable folder is not empty. */
import type { Files } from '../../../host/files/files.ts';

/** None where there is no such folder, or a file in its place; throws `unreadable-source` for a folder that cannot be read. */
export const namesIn = async (files: Files, folder: string): Promise<readonly string[]> => {
  try {
    return (await files.names(folder)) ?? [];
  } catch (error) {
    if (await files.isFolder(folder)) throw error;
    return [];
  }
};
