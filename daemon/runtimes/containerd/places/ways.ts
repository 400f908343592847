/** The ways in which our text gets read, by the place that the distribution has for it; without one it is in the main file, or beside it. */
import type { ConfigPlace } from '../../facts.ts';
import { besideWay } from '../beside.ts';
import type { Site, Way } from '../way.ts';
import { folderWay } from './folder.ts';
import { overrideWay } from './override.ts';
import { templateWay } from './template.ts';

type Kind = ConfigPlace['kind'];

/** `undefined`: the place does not matter on this host. */
type Make<K extends Kind> = (site: Site, place: Extract<ConfigPlace, { kind: K }>) => Way | undefined;

const ways: { readonly [K in Kind]: Make<K> } = {
  folder: folderWay,
  template: templateWay,
  override: overrideWay,
};

export const wayOf = (site: Site): Way => {
  const { place } = site.runtime;
  return (place && (ways[place.kind] as Make<Kind>)(site, place as never)) ?? besideWay(site);
};
