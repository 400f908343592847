/** The lock file of a mirror: what lies there, where, and with which digest. */
import { count, fields, parseJson, text, texts } from '../../protocol/json.ts';
import { Failure } from '../../protocol/problem/problem.ts';

export const lockName = 'rcm-node-mirror.json';

export type Entry = {
  /** Of the file, or of the manifest or index that an `oci:` location names. */
  readonly sha256: string;
  /** Of everything that was copied for it. */
  readonly bytes: number;
  /** In a folder: a file, or the folder of a repository. In a registry: the repository. */
  readonly path: string;
  readonly shims: readonly string[];
  /** False: no Shim gave a digest; it is the one that came first. */
  readonly pinned: boolean;
  /** Every file that was copied, as a folder has it, with its sha256. */
  readonly files: Readonly<Record<string, string>>;
};

export type LockFile = Readonly<Record<string, Entry>>;

const entryOf = (value: unknown): Entry | undefined => {
  const given = fields(value);
  const [sha256, path] = [text(given.sha256) ?? '', text(given.path) ?? ''];
  const files = Object.entries(fields(given.files)).filter(
    (row): row is [string, string] => typeof row[1] === 'string' && !row[0].split('/').includes('..'),
  );
  if (!/^[0-9a-f]{64}$/.test(sha256) || path === '') return undefined;
  return {
    sha256,
    bytes: count(given.bytes),
    path,
    shims: texts(given.shims),
    pinned: given.pinned === true,
    files: Object.fromEntries(files),
  };
};

/** What cannot be understood of one entry is copied again. Throws `bad-value` for a file of another kind. */
export const parseLock = (given: string, file: string): LockFile => {
  const { version, locations } = fields(parseJson(given));
  if (version !== 1)
    throw new Failure({
      code: 'bad-value',
      message: 'it is no lock file of a mirror that this version knows',
      where: { file },
      hint: 'Name another folder, or remove the file: what lies in the folder is verified and kept.',
    });
  return Object.fromEntries(
    Object.entries(fields(locations)).flatMap(([location, value]) => {
      const entry = entryOf(value);
      return entry ? [[location, entry]] : [];
    }),
  );
};

/** In a fixed order: two runs for the same Shims give the same bytes. */
export const printLock = (lock: LockFile): string => {
  const locations = Object.fromEntries(Object.entries(lock).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify({ version: 1, locations }, null, 2)}\n`;
};
