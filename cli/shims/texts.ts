/** The Shims of bootstrap/samples as texts: the bundle has them baked in, and a run from sources reads the folder. */
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

declare const RCM_NODE_SAMPLES: Readonly<Record<string, string>> | undefined;

/** By their names: that of shim-spin.yaml is spin. */
export const readTexts = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    globSync('shim-*.yaml', { cwd: folder })
      .sort()
      .map((file) => [
        basename(file, '.yaml').slice('shim-'.length),
        readFileSync(join(folder, file), 'utf8'),
      ]),
  );

export const texts = (): Readonly<Record<string, string>> =>
  typeof RCM_NODE_SAMPLES === 'object'
    ? RCM_NODE_SAMPLES
    : readTexts(join(import.meta.dirname, '../../bootstrap/samples'));
