/** What other programs print, for one line of a message. */
import { stripVTControlCharacters } from 'node:util';

/** Cut: a message of a server can hold a whole object. */
export const oneLine = (text: string, longest = 300): string => {
  const line = stripVTControlCharacters(text.toWellFormed())
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim();
  return line.length <= longest ? line : `${line.slice(0, longest - 1).toWellFormed()}…`;
};
