/**
 * The files beside the executable: the unit, the namespace, and settings and local files from the ConfigMap. One rule for
 * all: a file that another program or a person wrote, or changed since bootstrap wrote it, stays as it is and is named.
 */
import { digestOf } from '../protocol/digest.ts';
import { paths } from '../protocol/host-paths.ts';
import type { FileFact } from '../host/facts.ts';
import type { State } from './state.ts';

/** `after` null removes it. */
export type FileChange = {
  readonly path: string;
  readonly before: FileFact;
  readonly after: string | null;
  readonly mode: number;
};

export type SeenFiles = {
  readonly payload: { readonly unit: string };
  /** Names below the ConfigMap's mount to text; none at all says nothing about what was there before. */
  readonly settings: Readonly<Record<string, string>>;
  /** The one that rcm-node is in; undefined says nothing about what was there before. */
  readonly namespace?: string | undefined;
  readonly state: State;
  /** The unit in each folder below `versions`, as far as there is one. */
  readonly units: Readonly<Record<string, string>>;
  /** Everything that is to be written, and what was. */
  readonly files: Readonly<Record<string, FileFact>>;
};

/** Where a key of the ConfigMap goes. */
export const pathOfSetting = (name: string): string =>
  name === 'config.toml' ? paths.settings : `${paths.shims}/${name}`;

/** The settings may hold a proxy's password; local files and units hold no secrets. */
const modeOf = (path: string): number => (path === paths.settings ? 0o600 : 0o644);

export const isOurs = (fact: FileFact | undefined, path: string, wrote: State['wrote']): boolean =>
  fact?.kind === 'regular' && wrote[path]?.includes(fact.digest) === true;

export const fileChanges = (
  { payload, settings, namespace, state, units, files }: SeenFiles,
  unitPath: string,
): {
  readonly changes: readonly FileChange[];
  readonly notes: readonly string[];
  readonly wrote: State['wrote'];
} => {
  const wanted = new Map([
    [unitPath, payload.unit],
    ...(namespace === undefined ? [] : [[paths.namespace, `${namespace}\n`] as const]),
    ...Object.entries(settings).map(([name, text]) => [pathOfSetting(name), text] as const),
  ]);
  const changes: FileChange[] = [];
  const notes: string[] = [];
  const wrote: Record<string, readonly string[]> = { ...state.wrote };
  for (const [path, text] of wanted) {
    const fact = files[path] ?? { kind: 'absent' };
    const shipped = path === unitPath && fact.kind === 'regular' && Object.values(units).includes(fact.text);
    if (fact.kind === 'regular' && fact.text === text) wrote[path] = [digestOf(text)];
    else if (fact.kind === 'absent' || shipped || isOurs(fact, path, state.wrote)) {
      changes.push({ path, before: fact, after: text, mode: modeOf(path) });
      // Both digests, so that the file is known as bootstrap's whether or not a kill comes before the write.
      wrote[path] = [...(fact.kind === 'regular' ? [fact.digest] : []), digestOf(text)];
    } else {
      notes.push(
        `${path} was written by another program, or changed since: it is kept. ` +
          (path === unitPath
            ? `Move the change into a drop-in (systemctl edit rcm-node) and remove the file to use the unit of rcm-node.`
            : path === paths.namespace
              ? `Remove it to use the namespace of this Pod, ${namespace}.`
              : 'Remove it to use the file from the ConfigMap.'),
      );
      delete wrote[path];
    }
  }
  // A ConfigMap that is not there says nothing; one that is there says that what it lacks is not wanted.
  if (Object.keys(settings).length > 0)
    for (const path of Object.keys(state.wrote)) {
      if (wanted.has(path) || path === paths.namespace) continue;
      const fact = files[path] ?? { kind: 'absent' };
      if (!isOurs(fact, path, state.wrote)) delete wrote[path];
      if (isOurs(fact, path, state.wrote)) changes.push({ path, before: fact, after: null, mode: 0 });
      else if (fact.kind !== 'absent')
        notes.push(`${path} is no longer in the ConfigMap, and was changed on the node: it is kept.`);
    }
  return { changes, notes, wrote };
};
