/**
 * The steps of bootstrap for the observed state of the host: values in, values out. A plan is data; install.ts runs it;
 * after a kill between two steps, the next run observes again and plans the rest.
 */
import { inWords } from '../daemon/decide/backoff.ts';
import type { Problem } from '../protocol/problem/problem.ts';
import { type FileChange, fileChanges, type SeenFiles } from './files.ts';
import { type Build, type Digests, idOf, places, type State, service } from './state.ts';
import type { UnitFacts } from '../host/facts.ts';
import { isOlder } from '../protocol/version.ts';

export type Payload = Build & { readonly unit: string };

export type Seen = SeenFiles & {
  readonly payload: Payload;
  /** The folder below `versions` that the link leads to; null without a link, or with another target. */
  readonly linked: string | null;
  /** By folder below `versions`; a file that cannot be read has the digest ''. */
  readonly folders: Readonly<Record<string, Digests>>;
  readonly service: UnitFacts;
  readonly now: number;
};

export type Asked = { readonly downgrade: boolean; readonly force: boolean };

export type Step =
  | { readonly kind: 'remember'; readonly change: Partial<State> }
  /** The whole folder, renamed to its final name in one step. */
  | { readonly kind: 'place'; readonly folder: string }
  /** One file of an existing folder. */
  | { readonly kind: 'mend'; readonly folder: string; readonly name: string }
  | ({ readonly kind: 'file' } & FileChange)
  | { readonly kind: 'link'; readonly folder: string }
  /** daemon-reload, and enable the service. */
  | { readonly kind: 'enable' }
  | { readonly kind: 'start'; readonly how: 'start' | 'restart' }
  /** Waits until `version` is up and has reported; a failure leads to `revert`. */
  | { readonly kind: 'prove'; readonly version: string }
  | { readonly kind: 'stop' }
  /** Removes folders of versions except the current and the former one. */
  | { readonly kind: 'prune'; readonly folders: readonly string[] };

export type Plan =
  | { readonly kind: 'settled'; readonly notes: readonly string[] }
  | { readonly kind: 'refused'; readonly problem: Problem }
  | {
      readonly kind: 'steps';
      readonly steps: readonly Step[];
      readonly notes: readonly string[];
      /** The problem to report after the steps: they restore the former version, and not the requested one. */
      readonly instead?: Problem;
    };

export const unitPath = `${places.units}/${service}`;

const minute = 60_000;

/** Milliseconds until a build that did not start is tried again: 5 min, doubling to 6 h: no endless restarts of the service. */
export const retryWait = (state: State, id: string, now: number): number => {
  const failure = state.failed[id];
  if (failure === undefined) return 0;
  const pause = Math.min(360 * minute, 5 * minute * 2 ** Math.min(failure.attempts - 1, 10));
  return Math.max(0, Math.min(failure.at, now) + pause - now);
};

/** The folder for the payload: that of its version, unless another build of that version has it. */
export const folderFor = ({ payload, state, folders }: Seen): string => {
  const id = idOf(payload.files);
  const owner = state.builds[payload.version]?.files ?? folders[payload.version];
  return owner === undefined || idOf(owner) === id ? payload.version : `${payload.version}-${id.slice(0, 8)}`;
};

/** The version to which a failed payload is rolled back; null if none ever came up. */
export const fallback = (seen: Seen): string | null =>
  // Without a state file, a version that was installed by hand and is running counts as proven.
  seen.state.good ?? (seen.service.active === 'active' && seen.state.trying === null ? seen.linked : null);

/** The folder of a package has the same name in every version; its unit names the version. */
const versionOf = (seen: Seen, folder: string): string =>
  seen.state.builds[folder]?.version ??
  /^\d+\.\d+\.\d+/.exec(folder)?.[0] ??
  /^Documentation=.*\/versions\/(\d+\.\d+\.\d+)/m.exec(seen.units[folder] ?? '')?.[1] ??
  '0.0.0';

export const decide = (seen: Seen, asked: Asked): Plan => {
  const { payload, state } = seen;
  const target = folderFor(seen);
  const good = fallback(seen);
  const id = idOf(payload.files);
  if (seen.service.load === 'masked')
    return {
      kind: 'refused',
      problem: {
        code: 'unit-masked',
        message: `${service} is masked on this node`,
        hint: `An administrator masked it; systemctl unmask ${service}, or exclude this node with a nodeSelector.`,
      },
    };
  if (good !== null && good !== target && !asked.downgrade && isOlder(payload.version, versionOf(seen, good)))
    return {
      kind: 'refused',
      problem: {
        code: 'policy-denied',
        message: `this node has rcm-node ${versionOf(seen, good)}, and this image is ${payload.version}: nothing was changed`,
        hint: 'Use an image of that version or later; or allow it with the argument --downgrade in the DaemonSet.',
      },
    };
  const wait = target === good || asked.force ? 0 : retryWait(state, id, seen.now);
  if (wait > 0) return refuseAgain(seen, id, wait, good);
  return install(seen, target, good);
};

/** The build failed here before: the current version stays, or is restored first if a killed run had not restored it. */
const refuseAgain = (seen: Seen, id: string, wait: number, good: string | null): Plan => {
  const { payload, state } = seen;
  const failure = state.failed[id];
  const runs =
    good === null ? 'the service is stopped' : `rcm-node ${versionOf(seen, good)} serves this node instead`;
  const problem: Problem = {
    code: 'known-bad',
    message: `rcm-node ${payload.version} did not start on this node (attempt ${failure?.attempts}): ${failure?.why}; ${runs}`,
    hint: `It is retried in ${inWords(wait)}. Apply another image; or add the argument --force to try at once. On the node: journalctl -u rcm-node.`,
  };
  if (state.trying === null) return { kind: 'refused', problem };
  return { kind: 'steps', steps: revert(seen, good), notes: [], instead: problem };
};

const install = (seen: Seen, target: string, good: string | null): Plan => {
  const { payload, state } = seen;
  const { changes, notes, wrote } = fileChanges(seen, unitPath);
  const there = seen.folders[target];
  const damaged = Object.keys(payload.files).filter((name) => there?.[name] !== payload.files[name]);
  const placing: readonly Step[] =
    there === undefined
      ? [{ kind: 'place', folder: target }]
      : damaged.map((name) => ({ kind: 'mend', folder: target, name }));
  const files: readonly Step[] = changes.map((change) => ({ kind: 'file', ...change }));
  const unitChanges = changes.some(({ path }) => path === unitPath);

  const switches = seen.linked !== target;
  const unproven = state.good !== target || state.trying !== null;
  const runs = seen.service.active === 'active';
  const how = ['inactive', 'failed'].includes(seen.service.active) ? 'start' : 'restart';
  // A run that was killed after the restart does not restart again.
  const restarted = state.trying?.folder === target && !switches && isNewInvocation(seen);
  const restarts = switches || unitChanges || damaged.length > 0 || (unproven && !restarted);
  const isUp = runs && !restarts && !unproven;
  if (isUp && files.length === 0 && placing.length === 0) return { kind: 'settled', notes };

  const known: Partial<State> = { builds: { ...state.builds, [target]: build(payload) }, wrote };
  if (isUp) return { kind: 'steps', notes, steps: [remember(known), ...placing, ...files] };
  const kept = new Set([target, good, good === target ? state.former : null]);
  const prunes = Object.keys(state.builds).filter((folder) => !kept.has(folder));
  const proven: Partial<State> = {
    good: target,
    former: good === target ? state.former : good,
    trying: null,
    failed: without(state.failed, [idOf(payload.files)]),
  };
  // A version that came up once needs no second proof: no link to switch back, no failure to record.
  const trying =
    state.good === target && !switches
      ? state.trying
      : { folder: target, from: restarted ? (state.trying?.from ?? null) : null };
  return {
    kind: 'steps',
    notes,
    steps: [
      // Before the first write, so that an existing folder is known as ours, and damage is distinguished from another build.
      remember({ ...known, trying, ...(state.good === null && good !== null ? { good } : {}) }),
      ...placing,
      ...files,
      ...(switches ? [{ kind: 'link', folder: target } as const] : []),
      { kind: 'enable' },
      ...(restarted && runs ? [] : [{ kind: 'start', how } as const]),
      { kind: 'prove', version: payload.version },
      remember(proven),
      ...(prunes.length > 0
        ? [
            { kind: 'prune', folders: prunes } as const,
            remember({ builds: without({ ...state.builds, [target]: build(payload) }, prunes) }),
          ]
        : []),
    ],
  };
};

const isNewInvocation = ({ state, service: { invocation } }: Seen): boolean =>
  state.trying?.from !== null && state.trying?.from !== undefined && state.trying.from !== invocation;

/** Rolls back to `good`, or stops the service if no version ever came up. */
export const revert = (seen: Seen, good: string | null): readonly Step[] => {
  if (good === null) return [{ kind: 'stop' }, remember({ trying: null })];
  const unit = seen.units[good];
  const fact = seen.files[unitPath];
  const back: readonly Step[] =
    unit === undefined || fact === undefined || (fact.kind === 'regular' && fact.text === unit)
      ? []
      : [{ kind: 'file', path: unitPath, before: fact, after: unit, mode: 0o644 }];
  return [
    ...back,
    { kind: 'link', folder: good },
    { kind: 'enable' },
    { kind: 'start', how: 'restart' },
    { kind: 'prove', version: versionOf(seen, good) },
    remember({ trying: null }),
  ];
};

/** Records the failure of the payload, before the rollback. */
export const recordFailure = (seen: Seen, why: string): Partial<State> => {
  const id = idOf(seen.payload.files);
  const attempts = (seen.state.failed[id]?.attempts ?? 0) + 1;
  return { failed: { ...seen.state.failed, [id]: { at: seen.now, attempts, why } } };
};

export const isOnTrial = (seen: Seen): boolean => folderFor(seen) !== fallback(seen);

const build = ({ version, files }: Payload): Build => ({ version, files });
const remember = (change: Partial<State>): Step => ({ kind: 'remember', change });
const without = <T>(
  record: Readonly<Record<string, T>>,
  names: readonly string[],
): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));
