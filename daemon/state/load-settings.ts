/**
 * The settings in force. The text that was last understood is kept, and applies while the file cannot be read or
 * understood. Where none is kept, nothing is known of what this node allows, and nothing new is taken: defaults would
 * allow more than the file does. Without a file the defaults apply; to remove it is how a person asks for them.
 */
import { fileOf, folderOf, paths } from '../../protocol/host-paths.ts';
import type { Host } from '../../host/host.ts';
import { fileFault } from '../toml/file-fault.ts';
import { Failure, type Problem, problemOf } from '../../protocol/problem/problem.ts';
import type { FileFact } from '../../host/facts.ts';
import { defaultSettings, parseSettings, type Settings, unitIn } from '../model/settings.ts';

/** `null`: there is no file. */
type Read = { readonly text: string | null; readonly settings: Settings };

/** For what only looks: nothing is written. */
export const loadSettings = async (host: Host): Promise<Settings> => (await load(host, undefined)).settings;

/** For what changes the host: answers what is in force now, and keeps what is understood for later. */
export const openSettings = (host: Host): (() => Promise<Settings>) => {
  // Where the disk is full, what cannot be kept there stays in force for this process at least.
  const state = { last: undefined as Settings | undefined };
  return async () => {
    const { settings, text } = await load(host, state.last);
    if (text === undefined) return settings;
    state.last = text === null ? undefined : settings;
    try {
      await keep(host, text);
      return settings;
    } catch (error) {
      const { message, ...problem } = problemOf(error);
      return {
        ...settings,
        problem: { ...problem, message: `the settings cannot be kept for the next start: ${message}` },
      };
    }
  };
};

const load = async (
  host: Host,
  last: Settings | undefined,
): Promise<Read | { readonly text: undefined; readonly settings: Settings }> => {
  let text: string | null = null;
  try {
    text = await read(host);
    return { text, settings: text === null ? defaultSettings : parseSettings(text, paths.settings) };
  } catch (error) {
    return { text: undefined, settings: await standIn(host, problemOf(error), last, text) };
  }
};

const bad = (message: string, hint?: string): Failure =>
  new Failure({
    code: 'bad-settings',
    message,
    where: { file: paths.settings },
    ...(hint === undefined ? {} : { hint }),
  });

/** Editors rename a file away before they write the new one. */
const renamedForMs = 300;

/** Throws for what is neither a file with something in it nor certainly no file. */
const read = async (host: Host, isSecond = false): Promise<string | null> => {
  const fact = await host.files.lookTrusted(paths.settings);
  if (fact.kind === 'foreign' || fact.kind === 'unreadable') {
    const { message, hint } = fileFault(fact);
    throw bad(message, hint);
  }
  if (fact.kind === 'regular') {
    // An editor empties a file before it writes it, and a power cut may leave it so.
    if (fact.text.trim() !== '') return fact.text;
    throw bad(
      'it is empty, as a file is while it is written',
      'Write the settings into it. To have the defaults, write a comment into it, or remove it.',
    );
  }
  const names = await host.files.names(folderOf(paths.settings));
  if (names?.includes(fileOf(paths.settings))) throw bad('it was replaced while it was read');
  if ((await host.files.look(paths.lastSettings)).kind === 'absent') return null;
  // A folder that is not mounted is no answer of a person; nor is an empty one, which systemd makes at each start.
  if ((names?.length ?? 0) === 0)
    throw bad(
      names === null ? 'its folder is gone' : 'its folder is empty',
      'Put config.toml back. To have the defaults, write a file that has nothing but a comment.',
    );
  if (isSecond) return null;
  await host.clock.sleep(renamedForMs);
  return read(host, true);
};

const standIn = async (
  host: Host,
  cause: Problem,
  last: Settings | undefined,
  text: string | null,
): Promise<Settings> => {
  const kept = await trusted(host, paths.lastSettings);
  const good = last ?? (kept.kind === 'regular' ? understood(kept.text) : undefined);
  const says = good
    ? 'the last valid settings stay in force'
    : 'no valid settings are known, so nothing new is installed, and the handlers that are served stay in service';
  const problem: Problem = {
    ...cause,
    code: 'bad-settings',
    message: `${cause.message}; ${says}`,
    where: cause.where ?? { file: paths.settings },
  };
  if (good) return { ...good, problem };
  const unit = [text, kept.kind === 'regular' ? kept.text : null]
    .map((one) => (one === null ? undefined : unitIn(one)))
    .find((one) => one !== undefined);
  return { ...defaultSettings, ...(unit === undefined ? {} : { unit }), closed: true, problem };
};

/** What another user can have written allows nothing. */
const trusted = async (host: Host, path: string): Promise<FileFact> => {
  try {
    return await host.files.lookTrusted(path);
  } catch (error) {
    return { kind: 'unreadable', why: problemOf(error).message };
  }
};

/** A newer version may have kept it: then it says nothing to this one. Nothing empty is ever kept. */
const understood = (text: string): Settings | undefined => {
  try {
    return text.trim() === '' ? undefined : parseSettings(text, paths.lastSettings);
  } catch {
    return undefined;
  }
};

const keep = async (host: Host, text: string | null): Promise<void> => {
  const kept = await host.files.look(paths.lastSettings);
  if (text === null) {
    if (kept.kind !== 'absent') await host.files.removeTree(paths.lastSettings);
    return;
  }
  if (kept.kind === 'regular' && kept.text === text) return;
  if (!(await host.files.isFolder(paths.state))) await host.files.makeFolder(paths.state);
  // 0600: a proxy's password may stand in it.
  await host.files.put(paths.lastSettings, text, 0o600);
};
