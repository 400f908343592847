/** Where the decoder of LZMA keeps each kind of probability: all are in one array. */

export const states = 12;
export const positions = 16;
/** Where each kind of probability begins in one array. */
export const isMatch = 0;
export const isRep = isMatch + states * positions;
export const isRep0 = isRep + states;
export const isRep1 = isRep0 + states;
export const isRep2 = isRep1 + states;
export const isRep0Long = isRep2 + states;
export const slots = isRep0Long + states * positions;
export const special = slots + 4 * 64;
export const align = special + 128;
/** Two bits of choice, then 16 trees of 8, 16 trees of 8, and one of 256. */
export const lengths = align + 16;
const lengthsSize = 2 + positions * 8 * 2 + 256;
export const repLengths = lengths + lengthsSize;
export const literals = repLengths + lengthsSize;
export const literalSize = 0x300;
