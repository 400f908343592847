/** How a main file of ours, and the drop-in of a unit that names it, are recognised, also without the ledger. */
import { hasOwnHeader, header, withPresentHeader } from '../../own-header.ts';

const mark = `${header}# In the place of `;

export const overrideMark = (original: string): string => `${mark}${original}.\n`;

export const isOverride = (text: string): boolean => withPresentHeader(text).startsWith(mark);

/** Drop-ins of units are no TOML. */
export const isUnitDropIn = (path: string): boolean => /\/systemd\/system\/[^/]+\.d\/[^/]+\.conf$/.test(path);

export const isOurUnitDropIn = hasOwnHeader;
