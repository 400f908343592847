/** The ways in which our text gets read, by the place that the distribution has for it; without one it is in the main file, or beside it. */
import type { ConfigPlace } from '../../facts.ts';
import { besideWay } from '../beside.ts';
import type { Site, Way } from '../way.ts';
import { folderOf } from '../../../../protocol/host-paths.ts';
import { recover } from '../../../../protocol/problem/problem.ts';
import { folderWay } from './folder.ts';
import { overrideWay } from './override.ts';
import { templateWay } from './template.ts';
import { isTemplate, markedIn } from './template-text.ts';

type Kind = ConfigPlace['kind'];

/** `undefined`: the place does not matter on this host. */
type Make<K extends Kind> = (site: Site, place: Extract<ConfigPlace, { kind: K }>) => Way | undefined;

const ways: { readonly [K in Kind]: Make<K> } = {
  folder: folderWay,
  template: templateWay,
  override: overrideWay,
};

export const wayOf = (site: Site): Way => {
  const place = templateInForce(site) ?? site.runtime.place;
  return (place && (ways[place.kind] as Make<Kind>)(site, place as never)) ?? besideWay(site);
};

/**
 * After an upgrade the distribution may read a folder of drop-ins, too. Our block in the template beside the main file is rendered
 * all the same, and a move to the folder would restart the node for nothing.
 */
const templateInForce = ({ runtime, files, ledger }: Site): ConfigPlace | undefined => {
  const { place, configPath } = runtime;
  if (place?.kind !== 'folder' || place.readBy !== 'runtime') return undefined;
  const path = Object.keys(ledger.files).find(
    (one) => isTemplate(one) && folderOf(one) === folderOf(configPath),
  );
  const fact = path === undefined ? undefined : files[path];
  const isOurs =
    path !== undefined &&
    fact?.kind === 'regular' &&
    recover(
      () => markedIn(fact.text, path) !== undefined,
      () => false,
    );
  return isOurs ? { kind: 'template', path, base: '' } : undefined;
};
