/** What any file that may have something of ours says, with and without us: a template, a drop-in of a unit, a main file. */
import { parseToml } from '../../../toml/toml.ts';
import type { Runtime } from '../../runtime.ts';
import { withoutUs as withoutUsInMain } from '../wiring-bare.ts';
import { isOurUnitDropIn, isOverride, isUnitDropIn } from './override-text.ts';
import { meaningful } from '../config.ts';
import { isTemplate, markedIn, templateWithoutUs, withoutMarked } from './template-text.ts';

export const withoutUs: Runtime['withoutUs'] = (text, path, ledger) => {
  if (isTemplate(path)) return templateWithoutUs(text, path);
  if (isUnitDropIn(path)) return isOurUnitDropIn(text) ? null : text;
  return isOverride(text) ? null : withoutUsInMain(text, path, ledger);
};

/** Of a template our block has a meaning; the rest is what it is. */
export const meaningOf: Runtime['meaningOf'] = (text, path, doc) =>
  isTemplate(path)
    ? { text: withoutMarked(text, path), block: meaningful(parseToml(markedIn(text, path) ?? '', path)) }
    : meaningful(doc ?? parseToml(text, path));
