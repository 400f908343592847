/** Copies a file that a location names, and the signatures that are published beside it. */
import { signatureEndings } from '../../daemon/reconcile/artifacts/published.ts';
import { saysAbsent } from '../../host/http/deadlines.ts';
import { download, type DownloadOptions } from '../../host/http/download.ts';
import { problemOf } from '../../protocol/problem/problem.ts';
import type { Folder } from './folder.ts';
import type { Entry } from './lock-file.ts';
import type { Needed } from './needed.ts';

const maxSignatureBytes = 1024 * 1024;

/** The query of an address may be its access key, and stays. */
const beside = (location: string, ending: string): string => {
  const url = new URL(location);
  url.pathname += ending;
  url.hash = '';
  return url.href;
};

/** Undefined where there is none. */
const signature = async (
  folder: Folder,
  location: string,
  options: DownloadOptions,
): Promise<readonly [string, string] | undefined> => {
  const path = folder.pathOf(location);
  try {
    await folder.put(path, (into) =>
      download(location, undefined, into, { ...options, maxBytes: maxSignatureBytes, decidesNothing: true }),
    );
  } catch (error) {
    if (saysAbsent(problemOf(error).message)) return undefined;
    throw error;
  }
  return [path, (await folder.digest(path)) ?? ''];
};

/** `expected`: of the Shim, or what came before. Throws as `download`. */
export const copyFile = async (
  folder: Folder,
  { location, shims, sha256: pin }: Needed,
  expected: string | undefined,
  options: DownloadOptions,
): Promise<Entry> => {
  const path = folder.pathOf(location);
  const isThere = expected !== undefined && (await folder.digest(path)) === expected;
  if (!isThere) await folder.put(path, (into) => download(location, expected, into, options));
  const sha256 = (await folder.digest(path)) ?? '';
  const signatures = await Promise.all(
    signatureEndings.map((ending) => signature(folder, beside(location, ending), options)),
  );
  const files = [[path, sha256] as const, ...signatures.filter((one) => one !== undefined)];
  const sizes = await Promise.all(files.map(([one]) => folder.size(one)));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return { sha256, bytes, path, shims, pinned: pin !== undefined, files: Object.fromEntries(files) };
};
