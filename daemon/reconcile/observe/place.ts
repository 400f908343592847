/** The files of the place that the distribution has for our text, besides those that the runtime itself reads. */
import type { Files } from '../../../host/files/files.ts';
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

/** Whether others may have changed the template since the main file was rendered from it. */
export const withRendering = async (files: Files, runtime: RuntimeFacts): Promise<RuntimeFacts> => {
  const { place, configPath } = runtime;
  if (place?.kind !== 'template') return runtime;
  const [template, rendered] = [await files.stat(place.path), await files.stat(configPath)];
  const isNewer = template !== null && rendered !== null && template.modified > rendered.modified;
  return isNewer ? { ...runtime, unrendered: true } : runtime;
};
