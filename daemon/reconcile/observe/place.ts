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

/**
 * With the template that was changed since the main file was rendered: what the next start makes of it is unknown. By the time
 * that no program can set: a file that was moved there, or restored, may have any other.
 */
export const withRendering = async (files: Files, runtime: RuntimeFacts): Promise<RuntimeFacts> => {
  const { place, configPath } = runtime;
  if (place === undefined || place.kind === 'override') return runtime;
  const rendered = await files.stat(configPath);
  for (const path of place.templates ?? []) {
    const template = await files.stat(path);
    if (template === null) continue;
    return rendered !== null && template.changed > rendered.modified
      ? { ...runtime, unrendered: path }
      : runtime;
  }
  return runtime;
};
