/** The Problem of a path that should be a readable file and is not. */
import type { FileFact } from '../../host/facts.ts';

export const fileFault = (
  fact: Exclude<FileFact, { kind: 'regular' }>,
): { readonly message: string; readonly hint?: string } => {
  switch (fact.kind) {
    case 'absent':
      return { message: 'there is no such file (any more)' };
    case 'foreign':
      return {
        message: `a file is expected here, and this is ${fact.what}`,
        ...(fact.hint === undefined ? {} : { hint: fact.hint }),
      };
    case 'unreadable':
      return {
        message: fact.errno === undefined ? fact.why : `the file cannot be read (${fact.errno})`,
        ...(fact.hint === undefined ? {} : { hint: fact.hint }),
      };
  }
};
