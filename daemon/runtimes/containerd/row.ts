/** containerd, as everything outside this folder sees it. */
import type { Runtime } from '../runtime.ts';
import { dumpOf } from './check.ts';
import { handlersIn, viewOf } from './config.ts';
import { configOf, dumpWords, isProgram, usual } from './launch.ts';
import { images } from './images/images.ts';
import { bundlesOf, pauseImage, programsIn, sandboxesIn, socketOf } from './loaded.ts';
import { plain } from './plain.ts';
import { targetOf } from './target.ts';
import { meaningOf, withoutUs } from './places/without-us.ts';
import { dropInName, dropInPath, importsOf, isOurDropIn, mayBeDropIn, meansOurs } from './wiring-drop-in.ts';

export const containerd: Runtime = {
  name: 'containerd',
  usual,
  isProgram,
  cgroups: /\/(cri-containerd-[^/]*\.scope|containerd\.service)(\/|$)/,
  configOf,
  next: ({ doc, path }) => importsOf(doc, path),
  socketOf,
  programsIn,
  needed: () => [],
  bundlesOf,
  dumpWords,
  sandboxesIn,
  pauseImage,
  images,
  dropIn: {
    beside: ({ path, doc }, folder) =>
      folder === undefined ? dropInPath(path, doc) : `${folder}/${dropInName}`,
    mayBe: mayBeDropIn,
    isOurs: isOurDropIn,
    meansOurs,
  },
  plain,
  handlersIn,
  withoutUs,
  meaningOf,
  servedBy: (dump) => {
    const view = viewOf(dumpOf(dump));
    return view && new Set(Object.keys(view.runtimes));
  },
  target: targetOf,
};
