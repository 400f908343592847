/**
 * Which files below a folder do running processes have mapped? `/proc/PID/maps` names programs and libraries alike; it
 * needs CAP_SYS_PTRACE for processes with more capabilities than ours (proc(5), "Ptrace access mode").
 */
import { readdir, readFile, realpath } from 'node:fs/promises';

const isGone = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');

/**
 * Files below `folder` (which ends in "/"), each once, as the kernel spells them: all symbolic links followed.
 * `complete: false` when a process would not tell.
 */
export const mappedFiles = async (
  folder: string,
): Promise<{ readonly files: readonly string[]; readonly complete: boolean }> => {
  // /opt is a link on ostree systems; without this nothing would ever seem to be in use there.
  const real = await realpath(folder).catch((error: unknown) => (isGone(error) ? undefined : null));
  const prefix = `${real ?? folder.replace(/\/$/, '')}/`;
  const files = new Set<string>();
  let complete = real !== null;
  for (const pid of (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name))) {
    try {
      for (const line of (await readFile(`/proc/${pid}/maps`, 'utf8')).split('\n')) {
        const at = line.indexOf(prefix);
        if (at >= 0) files.add(line.slice(at).replace(/ \(deleted\)$/, ''));
      }
    } catch (error) {
      // Gone in the meantime holds nothing. Whatever else it is, refused or out of files and memory, we do not know.
      if (!isGone(error)) complete = false;
    }
  }
  return { files: [...files], complete };
};
