/** The text of any file that may have something of ours, without it: a template, a drop-in of a unit, a main file. */
import type { Runtime } from '../../runtime.ts';
import { withoutUs as withoutUsInMain } from '../wiring-bare.ts';
import { isOurUnitDropIn, isOverride, isUnitDropIn } from './override-text.ts';
import { isTemplate, templateWithoutUs } from './template-text.ts';

export const withoutUs: Runtime['withoutUs'] = (text, path, ledger) => {
  if (isTemplate(path)) return templateWithoutUs(text, path);
  if (isUnitDropIn(path)) return isOurUnitDropIn(text) ? null : text;
  return isOverride(text) ? null : withoutUsInMain(text, path, ledger);
};
