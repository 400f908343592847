/** CRI-O, as everything outside this folder sees it. */
import { parseToml } from '../../toml/toml.ts';
import type { Runtime } from '../runtime.ts';
import { builtIn, handlersIn, meaningful } from './config.ts';
import { dropInPath, isOurDropIn, mayBeDropIn, meansOurs } from './drop-in.ts';
import { dumpOf } from './dump.ts';
import { images } from './images/images.ts';
import { configOf, dumpWords, isProgram, usual, usualFolder } from './launch.ts';
import {
  bundlesOf,
  handlerKeys,
  handlerOfSandbox,
  needed,
  pauseImage,
  programsIn,
  sandboxesIn,
  socketOf,
} from './loaded.ts';
import { plain } from './plain.ts';
import { targetOf } from './target.ts';

export const crio: Runtime = {
  name: 'crio',
  usual,
  isProgram,
  cgroups: /\/(crio-[^/]*\.scope|crio\.service)(\/|$)/,
  configOf,
  next: ({ path }, { main, folder }) => (path === main && folder ? [`${folder}/**`] : []),
  socketOf,
  programsIn,
  needed,
  bundlesOf,
  dumpWords,
  sandboxesIn,
  handlerOfSandbox,
  handlerKeys,
  pauseImage,
  images,
  dropIn: {
    beside: (_main, folder) => dropInPath(folder ?? usualFolder),
    mayBe: mayBeDropIn,
    isOurs: isOurDropIn,
    meansOurs,
  },
  plain,
  handlersIn,
  withoutUs: (text) => text,
  meaningOf: (text, path, doc) => meaningful(doc ?? parseToml(text, path)),
  servedBy: (dump) => {
    const { handlers } = dumpOf(dump);
    return new Set(handlers.size === 0 ? [builtIn] : handlers.keys());
  },
  target: targetOf,
};
