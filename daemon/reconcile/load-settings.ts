/** The settings file, read. What cannot be used never widens a policy: the last good settings stay, or the defaults. */
import { paths } from '../decide/paths.ts';
import type { Host } from '../host/host.ts';
import { Failure, type Problem, problemOf } from '../model/problem.ts';
import { defaultSettings, parseSettings, type Settings } from '../model/settings.ts';

export type Loaded = { readonly settings: Settings; readonly problem: Problem | undefined };

export const loadSettings = async (host: Host, last: Settings = defaultSettings): Promise<Loaded> => {
  try {
    const fact = await host.files.lookTrusted(paths.settings);
    if (fact.kind === 'absent') return { settings: defaultSettings, problem: undefined };
    if (fact.kind !== 'regular')
      throw new Failure({
        code: 'bad-settings',
        message: fact.kind === 'foreign' ? `it is ${fact.what}` : fact.why,
        where: { file: paths.settings },
      });
    return { settings: parseSettings(fact.text, paths.settings), problem: undefined };
  } catch (error) {
    return { settings: last, problem: problemOf(error) };
  }
};
