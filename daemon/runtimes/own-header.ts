/** The first line of every file that is ours as a whole: it identifies the file as ours also when the ledger is lost. */

export const header =
  '# Written by rcm-node; changes are undone. What is served: rcm-node status. To take it out: rcm-node uninstall.\n';

/** What earlier releases wrote for containerd; nodes that were upgraded have files that begin with it. */
export const formerHeader =
  '# Written by rcm-node; changes are put right again. What is served: rcm-node status. To take it out: rcm-node uninstall.\n';

/** The text as this release would begin it. */
export const withPresentHeader = (text: string): string => text.replace(formerHeader, header);

export const hasOwnHeader = (text: string): boolean => withPresentHeader(text).startsWith(header);

/**
 * A file that differs from the wanted text by the former header alone stays as it is: replacing a comment is no reason to
 * write to a folder whose every change restarts the runtime, nor to reload units.
 */
export const keepHeader = (wanted: string, present: string | null | undefined): string =>
  typeof present === 'string' && withPresentHeader(present) === wanted ? present : wanted;
