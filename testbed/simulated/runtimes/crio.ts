/** How CRI-O reads its configuration when it starts, and what it prints of it: by the stand-in that is held to its record. */
import { wordsOf } from '../../crio/cli.ts';
import { checkConfig } from '../../crio/config/check.ts';
import { filesBelow } from '../../crio/config/files.ts';
import { loadConfig, Refused } from '../../crio/config/load.ts';
import { setting, text } from '../../crio/config/model.ts';
import { printed } from '../../crio/config/print.ts';
import { Handlers } from '../../crio/serve/handlers.ts';
import type { Loaded } from './loaded.ts';

/** `words`: its command line. */
export const loadCrio = (
  root: string,
  words: readonly string[],
  mode: 'daemon' | 'dump',
  environment: Readonly<Record<string, string>> = {},
): Loaded => {
  // Where `sh` is, other programs of the host are not asked anything.
  const files = filesBelow(root, '/usr/local/bin:/usr/bin:/bin');
  const log = (): void => undefined;
  try {
    const config = loadConfig(files, wordsOf(words, environment).asked, log);
    if (mode === 'dump') checkConfig(config, undefined);
    const daemon =
      mode === 'dump' ? undefined : new Handlers(config, { files, log, programs: { ask: () => '' } });
    const loaded: Loaded = {
      kind: 'loaded',
      handlers: Object.fromEntries(config.handlers),
      criFault: undefined,
      socket: text(setting(config, 'api', 'listen')).replace(/^\/var\/run\//, '/run/'),
      dump: printed(config, false),
    };
    const runs = [...config.handlers.keys()];
    const reload = (): Loaded => {
      daemon?.reload();
      const told = daemon?.told().filter(({ name }) => name !== '') ?? [];
      return { ...loaded, runs, reload, handlers: Object.fromEntries(told.map(({ name }) => [name, {}])) };
    };
    return { ...loaded, reload };
  } catch (error) {
    if (error instanceof Refused) return { kind: 'fatal', why: error.message };
    throw error;
  }
};
