/** The files of the place that the distribution has for our text, besides those that the runtime itself reads. */
import { folderOf } from '../../../protocol/host-paths.ts';
import type { Files } from '../../../host/files/files.ts';
import type { Ledger } from '../../model/ledger.ts';
import type { ConfigPlace, RuntimeFacts } from '../../runtimes/facts.ts';

type Kind = ConfigPlace['kind'];

/** A drop-in is found by the row of its runtime. */
const paths: { readonly [K in Kind]: (place: Extract<ConfigPlace, { kind: K }>) => readonly string[] } = {
  folder: () => [],
  template: ({ path }) => [path],
  override: ({ original, copyTo, unitDropIn }) => [original, copyTo, unitDropIn],
};

export const filesOfPlace = ({ place }: RuntimeFacts): readonly string[] =>
  place ? (paths[place.kind] as (place: ConfigPlace) => readonly string[])(place) : [];

/** Whether others may have changed the template, or one with our text, since the main file was rendered from it. */
export const withRendering = async (
  files: Files,
  runtime: RuntimeFacts,
  ledger: Ledger,
): Promise<RuntimeFacts> => {
  const { place, configPath } = runtime;
  if (place === undefined || place.kind === 'override') return runtime;
  const known = Object.keys(ledger.files).filter((path) => folderOf(path) === folderOf(configPath));
  const templates = place.kind === 'template' ? [place.path, ...known] : known;
  const rendered = await files.stat(configPath);
  for (const path of templates) {
    const template = await files.stat(path);
    if (template !== null && rendered !== null && template.modified > rendered.modified)
      return { ...runtime, unrendered: true };
  }
  return runtime;
};
